//! Images as explaining needs them: fitted to the encoder, and ready to be covered.

use crate::api::ApiError;
use crate::engine::{EmbedOptions, ImageSource, Model};
use crate::preprocess::{Coverable, Picture, Pixels, to_input};

/// An image that is decoded and fitted to the encoder.
pub struct Prepared {
    pub input: Coverable,
    /// Width and height of the picture.
    pub picture: (usize, usize),
    pub in_low_bits: bool,
}

/// Decodes an image, and fits it to the encoder.
pub async fn prepare(
    model: &Model,
    source: ImageSource,
    options: EmbedOptions,
    param: String,
) -> Result<Prepared, ApiError> {
    let spec = model.image_spec().clone();
    let work = move |picture: Picture| {
        let image = &picture.image;
        let size = (image.width() as usize, image.height() as usize);
        let pixels: Pixels = to_input(image, &spec);
        Prepared {
            input: Coverable::new(pixels, &spec),
            picture: size,
            in_low_bits: picture.in_low_bits,
        }
    };
    let prepared = model.with_picture(source, options, work).await;
    prepared.map_err(|error| ApiError::from_embed(error, |_| param))
}
