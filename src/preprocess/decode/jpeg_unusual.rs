//! JPEG files with unusual layouts, decoded by jpeg-decoder: slower than zune-jpeg, but correct for these.

use jpeg_decoder::{ColorTransform, Decoder, Error};

use super::jpeg_layout::{Colour, corrupt};
use crate::preprocess::error::ImageError;

/// Decodes the pixels of a file to RGB. The size has been checked.
pub(super) fn pixels(bytes: &[u8], colour: Colour) -> Result<Vec<u8>, ImageError> {
    let samples = samples(bytes, colour)?;
    Ok(match colour {
        Colour::Rgb | Colour::YCbCr => samples,
        Colour::Grey => samples.iter().flat_map(|&grey| [grey; 3]).collect(),
        Colour::Cmyk | Colour::Ycck => without_black(samples),
    })
}

/// Decodes the pixels of a file: one byte of grey, three of RGB, or four of CMYK as stored. The size has been checked.
pub(super) fn samples(bytes: &[u8], colour: Colour) -> Result<Vec<u8>, ImageError> {
    let mut decoder = Decoder::new(bytes);
    decoder.set_color_transform(match colour {
        Colour::Grey => ColorTransform::Grayscale,
        Colour::Rgb => ColorTransform::RGB,
        Colour::YCbCr => ColorTransform::YCbCr,
        Colour::Cmyk => ColorTransform::CMYK,
        Colour::Ycck => ColorTransform::YCCK,
    });
    let mut samples = decoder.decode().map_err(refusal)?;
    if matches!(colour, Colour::Cmyk | Colour::Ycck) {
        // The decoder inverts them, because Adobe stores light, not ink.
        samples
            .iter_mut()
            .for_each(|sample| *sample = 255 - *sample);
    }
    Ok(samples)
}

/// Multiplies the light of inks, as Adobe stores it, with that of black: c·k/255 rounded, as in Pillow.
fn without_black(samples: Vec<u8>) -> Vec<u8> {
    let (inks, _) = samples.as_chunks::<4>();
    let light = |ink: u8, black: u8| {
        let product = u32::from(ink) * u32::from(black) + 128;
        ((product + (product >> 8)) >> 8) as u8
    };
    inks.iter()
        .flat_map(|&[c, m, y, k]| [c, m, y].map(|ink| light(ink, k)))
        .collect()
}

fn refusal(error: Error) -> ImageError {
    match error {
        Error::Unsupported(feature) => ImageError::UnsupportedFormat {
            what: format!("this kind of JPEG ({feature:?})"),
        },
        other => corrupt(&other.to_string()),
    }
}
