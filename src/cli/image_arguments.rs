//! Options for reading images, for the commands that embed.

use clap::builder::RangedI64ValueParser;
use clap::{Args, value_parser};

use crate::preprocess::{Alpha, ImageOptions, ValueBits};
use crate::references::RESOLUTIONS;

/// Parses the resolution at which pictures are compared.
pub fn resolution() -> RangedI64ValueParser<u32> {
    let (least, most) = (*RESOLUTIONS.start(), *RESOLUTIONS.end());
    value_parser!(u32).range(i64::from(least)..=i64::from(most))
}

#[derive(Debug, Args)]
pub struct ImageArguments {
    /// Number of low bits of 16-bit images that hold the value [default: those of a PNG's sBIT chunk, or all 16]
    #[arg(long, value_name = "BITS", value_parser = value_parser!(u8).range(8..=16))]
    value_bits: Option<u8>,
    /// Turn images as their EXIF data says, or leave them as they are stored [default: as the model's manifest says]
    #[arg(long, value_name = "BOOL")]
    exif_orientation: Option<bool>,
    /// How to treat the transparency of images
    #[arg(long, value_enum, default_value = "drop")]
    alpha: Alpha,
}

impl ImageArguments {
    pub fn options(&self) -> ImageOptions {
        ImageOptions {
            value_bits: self.value_bits.and_then(|bits| ValueBits::new(bits.into())),
            exif_orientation: self.exif_orientation,
            alpha: Some(self.alpha).filter(|alpha| *alpha != Alpha::Drop),
        }
    }

    /// The options in one line, for an output's metadata; empty if all have their defaults.
    pub fn said(&self) -> Option<String> {
        let options = self.options();
        (options != ImageOptions::default()).then(|| format!("{options:?}"))
    }
}
