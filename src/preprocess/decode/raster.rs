//! WebP and BMP, decoded by the `image` crate.

use image::{
    ImageDecoder,
    codecs::{bmp::BmpDecoder, webp::WebPDecoder},
    metadata::Orientation,
};

use super::{Decoded, Format, Reading, WORKING_MEMORY, bmp, colour, paced::Paced, webp};
use crate::preprocess::{
    error::ImageError, limits::Limits, orientation::UPRIGHT, rgb::RgbImage, stop::Stop,
};

/// Decodes a file of one of these formats without turning it. The orientation is only read if it is used, because unneeded
/// parsing is unneeded attack surface.
pub(super) fn decode(
    bytes: &[u8],
    format: Format,
    limits: &Limits,
    reading: Reading,
    stop: &Stop,
) -> Result<Decoded, ImageError> {
    let file = File {
        bytes,
        format,
        limits,
        reading,
    };
    let refuse = |error| refusal(format, error);
    match format {
        Format::WebP => {
            webp::check_frames(bytes, limits)?;
            file.read(WebPDecoder::new(Paced::new(bytes, stop)).map_err(refuse)?)
        }
        Format::Bmp => {
            let bytes = bmp::padded(bytes);
            file.read(BmpDecoder::new(Paced::new(&bytes, stop)).map_err(refuse)?)
        }
        Format::Jpeg | Format::Png | Format::Tiff | Format::Gif => Err(ImageError::UnknownFormat),
    }
}

/// A file and its options.
struct File<'a> {
    bytes: &'a [u8],
    format: Format,
    limits: &'a Limits,
    reading: Reading,
}

impl File<'_> {
    /// Checks the header that `decoder` has read, then decodes.
    fn read(&self, mut decoder: impl ImageDecoder) -> Result<Decoded, ImageError> {
        let format = self.format;
        let (width, height) = decoder.dimensions();
        self.limits.check_size(format, width, height)?;
        let refuse = |error| refusal(format, error);
        let bytes = decoder.total_bytes();
        let mut allowance = image::Limits::no_limits();
        // Doubled: some decoders count an intermediate copy with more channels than the result.
        allowance.max_alloc = Some(
            bytes
                .saturating_mul(2)
                .saturating_add(WORKING_MEMORY as u64),
        );
        decoder.set_limits(allowance).map_err(refuse)?;

        let orientation = if self.reading.exif_orientation {
            self.orientation(&mut decoder)
        } else {
            None
        };
        let colour = decoder.color_type();
        let bytes = usize::try_from(bytes).map_err(|_| unsupported(format, "this size"))?;
        let mut samples = vec![0; bytes];
        decoder.read_image(&mut samples).map_err(refuse)?;
        let pixels = colour::to_rgb(colour, samples, self.reading.alpha)
            .ok_or_else(|| unsupported(format, "more than 8 bits per sample"))?;
        let image = RgbImage::new(width, height, pixels).ok_or_else(|| ImageError::Corrupt {
            format,
            reason: "its size differs from its header".to_owned(),
        })?;
        Ok(Decoded {
            image,
            orientation: orientation.map_or(UPRIGHT, Orientation::to_exif),
            in_low_bits: false,
        })
    }

    /// Unreadable metadata is treated as missing; the image is decoded anyway.
    fn orientation(&self, decoder: &mut impl ImageDecoder) -> Option<Orientation> {
        match self.format {
            Format::WebP => webp::exif(self.bytes).and_then(Orientation::from_exif_chunk),
            _ => decoder.orientation().ok(),
        }
    }
}

fn refusal(format: Format, error: image::ImageError) -> ImageError {
    match error {
        image::ImageError::Unsupported(error) => unsupported(format, &error.to_string()),
        other => ImageError::Corrupt {
            format,
            reason: other.to_string(),
        },
    }
}

fn unsupported(format: Format, what: &str) -> ImageError {
    ImageError::UnsupportedFormat {
        what: format!("this kind of {format} ({what})"),
    }
}
