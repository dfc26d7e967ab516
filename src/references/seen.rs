//! A picture as it is compared: scaled to the frame of its reference, and aligned with it.

use crate::inspection::registration::{
    GreyImage, Registration, RegistrationReference, RegistrationStatus, WORKING_SIDE,
};
use crate::inspection::{InspectionError, Rgb, Transform};
use crate::monitors::camera::{Figures, Grey};
use crate::preprocess::{Interpolation, RgbImage};

use super::frame::Frame;

/// A picture on its way to the model.
#[derive(Debug)]
pub struct Seen {
    /// Width and height as posted.
    pub size: (usize, usize),
    /// What the model sees: the size of the frame's input.
    pub picture: RgbImage,
    /// Which pixels of it lie inside the posted picture; `None`: all.
    pub inside: Option<Vec<bool>>,
    /// How it lies. The transform is in pixels of the frame's input.
    pub registration: Registration,
    /// Light and focus of the scaled picture, before it was aligned.
    pub camera: Option<Figures>,
}

/// The brightness of a scaled picture at the size that registration works at.
///
/// # Errors
/// Never: a picture has pixels.
pub fn grey(picture: &RgbImage) -> Result<GreyImage, InspectionError> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let values = Rgb::new(width, height, picture.pixels())?.grey().collect();
    Ok(GreyImage::new(width, height, values)?.at_most(WORKING_SIDE))
}

/// Scales a picture to the frame, and aligns it with the reference.
///
/// # Errors
/// [`InspectionError`].
pub fn see(
    picture: &RgbImage,
    filter: Interpolation,
    frame: &Frame,
    reference: &RegistrationReference,
) -> Result<Seen, InspectionError> {
    let size = (picture.width() as usize, picture.height() as usize);
    let scaled = frame.scaled(picture, filter);
    let found = reference.register(&grey(&scaled)?)?;
    let working = reference.size();
    let transform = match found.status {
        RegistrationStatus::Identity => Transform::IDENTITY,
        RegistrationStatus::Aligned | RegistrationStatus::Pose => {
            Transform::resize(frame.input, working)
                .then(&found.transform)
                .then(&Transform::resize(working, frame.input))
        }
    };
    let registration = Registration { transform, ..found };
    let camera = figures(&scaled);
    if registration.status != RegistrationStatus::Aligned {
        return Ok(Seen {
            size,
            picture: scaled,
            inside: None,
            registration,
            camera,
        });
    }
    let (width, height) = frame.input;
    let (pixels, inside) =
        Rgb::new(width, height, scaled.pixels())?.warped(&registration.transform);
    Ok(Seen {
        size,
        picture: RgbImage::new(width as u32, height as u32, pixels).unwrap_or(scaled),
        inside: Some(inside),
        registration,
        camera,
    })
}

/// Light and focus. `None` for a picture of one row or column.
fn figures(picture: &RgbImage) -> Option<Figures> {
    let grey: Vec<u8> = picture
        .pixels()
        .chunks_exact(3)
        .map(|rgb| match rgb {
            // The weights of ITU-R BT.601, in 1/256.
            [red, green, blue] => {
                let sum = 77 * u32::from(*red) + 150 * u32::from(*green) + 29 * u32::from(*blue);
                u8::try_from(sum >> 8).unwrap_or(u8::MAX)
            }
            _ => 0,
        })
        .collect();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Grey::new(width, height, &grey).map(Figures::of)
}
