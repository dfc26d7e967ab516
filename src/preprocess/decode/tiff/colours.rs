//! Converts a row of samples of a TIFF file to RGB.

use super::super::{alpha::on_ground, sixteen_bits::SixteenBits};
use crate::preprocess::Alpha;

/// The meaning of a pixel's samples.
pub(super) struct Colours {
    pub(super) meaning: Meaning,
    /// Whether the colours are multiplied with the alpha sample after them.
    pub(super) premultiplied: bool,
    /// How the alpha sample after the colours is treated; [`Alpha::Drop`] if there is none.
    pub(super) alpha: Alpha,
}

/// The photometric interpretation.
pub(super) enum Meaning {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    /// The colour of each index.
    Palette(Vec<[u8; 3]>),
    /// Inks; 255 is full ink.
    Cmyk,
    /// Inside JPEG only; its decoder returns RGB.
    YCbCr,
}

impl Colours {
    /// Number of a pixel's first samples on which its colour depends.
    pub(super) fn needed(&self) -> usize {
        match self.meaning {
            Meaning::WhiteIsZero | Meaning::BlackIsZero if self.alpha != Alpha::Drop => 2,
            Meaning::WhiteIsZero | Meaning::BlackIsZero | Meaning::Palette(_) => 1,
            Meaning::Rgb if self.alpha != Alpha::Drop => 4,
            Meaning::Rgb | Meaning::YCbCr if !self.premultiplied => 3,
            _ => 4,
        }
    }

    /// Samples per pixel without transparency.
    pub(super) fn count(&self) -> usize {
        match self.meaning {
            Meaning::WhiteIsZero | Meaning::BlackIsZero | Meaning::Palette(_) => 1,
            Meaning::Rgb | Meaning::YCbCr => 3,
            Meaning::Cmyk => 4,
        }
    }

    /// Whether samples are palette indices rather than amounts.
    pub(super) fn indexed(&self) -> bool {
        matches!(self.meaning, Meaning::Palette(_))
    }

    /// Converts as many pixels as fit. `samples` holds `of_pixel` bytes of each, at least [`Self::needed`].
    pub(super) fn to_rgb(&self, samples: &[u8], of_pixel: usize, rgb: &mut [u8]) {
        let (rgb, _) = rgb.as_chunks_mut::<3>();
        let pixels = rgb.iter_mut().zip(samples.chunks_exact(of_pixel));
        match &self.meaning {
            Meaning::WhiteIsZero => pixels.for_each(|(to, from)| *to = [255 - from[0]; 3]),
            Meaning::BlackIsZero => pixels.for_each(|(to, from)| *to = [from[0]; 3]),
            Meaning::Palette(colours) => pixels.for_each(|(to, from)| {
                *to = colours.get(usize::from(from[0])).copied().unwrap_or([0; 3]);
            }),
            Meaning::Rgb if self.premultiplied => {
                pixels.for_each(|(to, from)| {
                    *to = [from[0], from[1], from[2]].map(|colour| divided(colour, from[3]));
                });
            }
            Meaning::Rgb | Meaning::YCbCr => {
                pixels.for_each(|(to, from)| *to = [from[0], from[1], from[2]]);
            }
            Meaning::Cmyk => {
                pixels.for_each(|(to, from)| {
                    *to = [from[0], from[1], from[2]].map(|ink| light(ink, from[3]));
                });
            }
        }
        if self.alpha != Alpha::Drop {
            let alphas = samples
                .chunks_exact(of_pixel)
                .map(|pixel| pixel[self.count()]);
            rgb.iter_mut().zip(alphas).for_each(|(pixel, alpha)| {
                *pixel = on_ground(*pixel, alpha, self.alpha);
            });
        }
    }
}

/// A colour before its multiplication with alpha, as Pillow computes it.
fn divided(colour: u8, alpha: u8) -> u8 {
    match alpha {
        0 => 0,
        _ => (u32::from(colour) * 255 / u32::from(alpha)).min(255) as u8,
    }
}

/// The light that an ink and black leave: (1 − k) − c·(1 − k), with the product rounded as in Pillow.
fn light(ink: u8, black: u8) -> u8 {
    let left = u32::from(255 - black);
    let product = u32::from(ink) * left + 128;
    (left - ((product + (product >> 8)) >> 8)) as u8
}

/// Expands samples of `bits` bits to one byte each: indices unchanged; amounts scaled to the full range, of 12 bits the high
/// 8, of 16 as `values` says. `of_pixel` is for 16 bits.
pub(super) fn to_bytes(
    row: &[u8],
    (bits, little): (usize, bool),
    indexed: bool,
    (values, of_pixel): (&mut SixteenBits, (usize, usize)),
    samples: &mut [u8],
) {
    let nibble = |i: usize| {
        row.get(i / 2)
            .map_or(0, |byte| byte >> (4 - i % 2 * 4) & 15)
    };
    match bits {
        8 => samples
            .iter_mut()
            .zip(row)
            .for_each(|(to, from)| *to = *from),
        16 => {
            let (pairs, _) = row.as_chunks::<2>();
            let number = if little {
                u16::from_le_bytes
            } else {
                u16::from_be_bytes
            };
            values.narrow(pairs.iter().map(|pair| number(*pair)), of_pixel, samples);
        }
        // Three nibbles each, the high one first.
        12 => samples.iter_mut().enumerate().for_each(|(i, to)| {
            *to = nibble(3 * i) << 4 | nibble(3 * i + 1);
        }),
        _ => {
            let in_byte = 8 / bits;
            let most = (1_u8 << bits) - 1;
            let scale = if indexed { 1 } else { 255 / most };
            samples.iter_mut().enumerate().for_each(|(i, to)| {
                let byte = row.get(i / in_byte).copied().unwrap_or(0);
                *to = (byte >> (8 - bits - i % in_byte * bits) & most) * scale;
            });
        }
    }
}

/// Undoes the horizontal predictor: each sample is stored as the difference from the previous pixel's sample.
pub(super) fn add_up(row: &mut [u8], bits: usize, little: bool, samples: usize) {
    if bits == 8 {
        for i in samples..row.len() {
            row[i] = row[i].wrapping_add(row[i - samples]);
        }
        return;
    }
    let (pairs, _) = row.as_chunks_mut::<2>();
    let number: fn([u8; 2]) -> u16 = if little {
        u16::from_le_bytes
    } else {
        u16::from_be_bytes
    };
    let bytes: fn(u16) -> [u8; 2] = if little {
        u16::to_le_bytes
    } else {
        u16::to_be_bytes
    };
    for i in samples..pairs.len() {
        pairs[i] = bytes(number(pairs[i]).wrapping_add(number(pairs[i - samples])));
    }
}
