//! GIF: the first frame on its canvas.
//!
//! Like Pillow: a frame that is larger than the canvas enlarges it. Around a smaller frame, the canvas has the transparent
//! colour, or the palette's first colour if there is none. (Like Pillow and browsers, this ignores the background colour of
//! the header.) A file without a palette is refused.

use gif::{ColorOutput, DecodeOptions, DecodingError};

use super::{Decoded, Format, alpha::on_ground, paced::Paced};
use crate::preprocess::{
    Alpha, error::ImageError, limits::Limits, orientation::UPRIGHT, rgb::RgbImage, stop::Stop,
};

/// Decodes the first frame. In memory are the picture, and one byte for each pixel of the frame.
pub(super) fn decode(
    bytes: &[u8],
    limits: &Limits,
    alpha: Alpha,
    stop: &Stop,
) -> Result<Decoded, ImageError> {
    let refuse = |error: DecodingError| stop.check().err().unwrap_or_else(|| refusal(&error));
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    // The decoder's own limit is off: ours is checked with a better message.
    options.set_memory_limit(gif::MemoryLimit::Unlimited);
    let mut decoder = options.read_info(Paced::new(bytes, stop)).map_err(refuse)?;
    let screen = (u32::from(decoder.width()), u32::from(decoder.height()));
    let frame = decoder.next_frame_info().map_err(refuse)?;
    let frame = frame.ok_or_else(|| corrupt("it has no frame"))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (columns, rows) = (usize::from(frame.width), usize::from(frame.height));
    let (transparent, own_palette) = (frame.transparent, frame.palette.clone());
    limits.check_size(Format::Gif, columns as u32, rows as u32)?;
    let width = screen.0.max((left + columns) as u32);
    let height = screen.1.max((top + rows) as u32);
    limits.check_size(Format::Gif, width, height)?;

    let mut numbers = vec![0; columns * rows];
    decoder.read_into_buffer(&mut numbers).map_err(refuse)?;
    let palette = own_palette.as_deref().or_else(|| decoder.global_palette());
    let colours: Vec<[u8; 3]> = (0..=255)
        .map(|number| {
            let alpha_of = if transparent == Some(number) { 0 } else { 255 };
            on_ground(colour(palette, number), alpha_of, alpha)
        })
        .collect();
    let colour = |number: u8| {
        colours
            .get(usize::from(number))
            .copied()
            .unwrap_or_default()
    };
    let stride = width as usize;
    let mut pixels = [colour(transparent.unwrap_or(0))].repeat(stride * height as usize);
    let screen_rows = pixels.chunks_exact_mut(stride).skip(top);
    for (to, from) in screen_rows.zip(numbers.chunks_exact(columns)) {
        for (to, number) in to.iter_mut().skip(left).zip(from) {
            *to = colour(*number);
        }
    }
    let image = RgbImage::new(width, height, pixels.into_flattened())
        .ok_or_else(|| corrupt("its size differs from its header"))?;
    Ok(Decoded {
        image,
        orientation: UPRIGHT,
        in_low_bits: false,
    })
}

/// The colour of an index. Indices beyond the palette are black, as in Pillow.
fn colour(palette: Option<&[u8]>, number: u8) -> [u8; 3] {
    let colours = palette.map_or(&[][..], |palette| palette.as_chunks::<3>().0);
    colours
        .get(usize::from(number))
        .copied()
        .unwrap_or_default()
}

fn refusal(error: &DecodingError) -> ImageError {
    corrupt(&error.to_string())
}

fn corrupt(reason: &str) -> ImageError {
    ImageError::Corrupt {
        format: Format::Gif,
        reason: reason.to_owned(),
    }
}
