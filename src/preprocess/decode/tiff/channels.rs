//! The samples of a TIFF file's pixels, and their meaning.

use super::{
    colours::{Colours, Meaning},
    compression::Compression,
    directory::Directory,
    refusals::{corrupt, unsupported},
    tag,
};
use crate::preprocess::{Alpha, error::ImageError};

/// Maximum number of channels besides colour.
const MOST_EXTRA: usize = 4;

/// The samples of a pixel.
pub(super) struct Channels {
    pub(super) count: usize,
    pub(super) bits: usize,
    /// The meaning of each sample after the colour.
    extra: Vec<u64>,
}

impl Channels {
    pub(super) fn of(directory: &Directory<'_>) -> Result<Self, ImageError> {
        let most = 4 + MOST_EXTRA;
        let count = directory.one(tag::SAMPLES)?.unwrap_or(1);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count == 0 {
            return Err(corrupt("no samples per pixel"));
        }
        if count > most {
            return Err(unsupported(&format!("{count} samples a pixel")));
        }
        let list = |tag, default| Ok(directory.numbers(tag, count)?.unwrap_or(vec![default]));
        let equal = |values: &[u64]| values.windows(2).all(|pair| pair[0] == pair[1]);
        let bits: Vec<u64> = list(tag::BITS, 1)?;
        if !equal(&bits) || !(bits.len() == 1 || bits.len() == count) {
            return Err(unsupported("channels of different depths"));
        }
        let formats: Vec<u64> = list(tag::SAMPLE_FORMAT, 1)?;
        match formats.first() {
            Some(1 | 4) if equal(&formats) => {}
            Some(2) => return Err(unsupported("signed samples")),
            Some(3) => return Err(unsupported("floating-point samples")),
            _ => return Err(unsupported("samples that are not integers")),
        }
        let bits = bits.first().copied().unwrap_or(1);
        if !matches!(bits, 1 | 2 | 4 | 8 | 12 | 16) {
            return Err(unsupported(&format!("{bits} bits a sample")));
        }
        Ok(Self {
            count,
            bits: bits as usize,
            extra: directory
                .numbers(tag::EXTRA_SAMPLES, most)?
                .unwrap_or_default(),
        })
    }

    /// The meaning of the samples. The combinations are those that Pillow supports.
    pub(super) fn colours(
        &self,
        directory: &Directory<'_>,
        compression: Compression,
        alpha: Alpha,
    ) -> Result<Colours, ImageError> {
        let deep = matches!(self.bits, 8 | 16);
        let photometric = directory.one(tag::PHOTOMETRIC)?.unwrap_or(0);
        let (meaning, colours) = match photometric {
            0 => (Meaning::WhiteIsZero, 1),
            1 => (Meaning::BlackIsZero, 1),
            2 if deep => (Meaning::Rgb, 3),
            3 if self.bits <= 8 => (Meaning::Palette(palette(directory, self.bits)?), 1),
            5 if deep => (Meaning::Cmyk, 4),
            6 if self.count == 1 => (Meaning::BlackIsZero, 1),
            6 if compression == Compression::Jpeg => (Meaning::YCbCr, 3),
            6 => return Err(unsupported("YCbCr without JPEG")),
            2 | 3 | 5 => {
                let bits = self.bits;
                return Err(unsupported(&format!("{bits} bits per colour sample")));
            }
            4 => return Err(unsupported("a transparency mask")),
            8..=10 => return Err(unsupported("CIE L*a*b*")),
            other => return Err(unsupported(&format!("photometric interpretation {other}"))),
        };
        let extra = self.count.checked_sub(colours);
        let extra =
            extra.ok_or_else(|| corrupt("fewer samples per pixel than its colours need"))?;
        // Some writers do not declare the fourth of four samples: it counts as alpha.
        let forgotten = extra == 1 && self.extra.is_empty() && colours == 3;
        if extra != self.extra.len() && !forgotten {
            return Err(unsupported("undeclared channels"));
        }
        let associated = self.extra.iter().position(|kind| *kind == 1);
        match (associated, &meaning) {
            (None, _) | (Some(0), Meaning::Rgb) => {}
            _ => return Err(unsupported("these colours with premultiplied alpha")),
        }
        if extra > 0 && (matches!(meaning, Meaning::YCbCr) || !deep) {
            return Err(unsupported("these colours with transparency"));
        }
        // The meaning of the first extra channel, as in Pillow.
        let transparent = (forgotten || matches!(self.extra.first(), Some(1 | 2)))
            && !matches!(meaning, Meaning::Cmyk | Meaning::Palette(_));
        Ok(Colours {
            meaning,
            premultiplied: associated.is_some(),
            alpha: if transparent { alpha } else { Alpha::Drop },
        })
    }
}

/// Red, green and blue of each index, from their high bytes, as in Pillow.
fn palette(directory: &Directory<'_>, bits: usize) -> Result<Vec<[u8; 3]>, ImageError> {
    let count = 1 << bits;
    let map = directory
        .numbers(tag::COLOUR_MAP, 3 * count)?
        .filter(|map| map.len() == 3 * count)
        .ok_or_else(|| corrupt("its palette is missing or too short"))?;
    let high = |channel: usize, i: usize| map.get(channel * count + i).map_or(0, |v| v >> 8) as u8;
    Ok((0..count)
        .map(|i| [high(0, i), high(1, i), high(2, i)])
        .collect())
}
