//! Reads a JPEG's segments before its pixels: coding, sampling, scans and colours of the file.
//!
//! They are read before decoding, because decoders return wrong pixels for some layouts instead of an error. Only the length
//! of each segment is read, and no entropy-coded byte.

use crate::preprocess::{decode::Format, error::ImageError};

/// The marker segments before the first scan, as far as they determine the decoder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout<'a> {
    pub(super) coding: Coding,
    /// Bits per sample.
    pub(super) precision: u8,
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) components: Vec<Component>,
    /// Number of components in the first scan.
    pub(super) in_first_scan: usize,
    /// The content of the first EXIF segment.
    pub(super) exif: Option<&'a [u8]>,
    jfif: bool,
    /// The colour transform in Adobe's segment.
    adobe: Option<u8>,
    /// Offset of the first scan.
    scans_at: usize,
}

/// The coding of a frame, by its marker (ITU T.81, table B.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Sequential,
    Progressive,
    Lossless,
    Hierarchical,
    Arithmetic,
}

/// A component of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    name: u8,
    /// Horizontal samples per unit of the interleaved scan, 1 to 4 in a valid file.
    pub(super) across: u8,
    /// Vertical samples.
    pub(super) down: u8,
}

/// The colour model of the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Grey,
    Rgb,
    YCbCr,
    Cmyk,
    /// CMYK with its first three inks as YCbCr.
    Ycck,
}

impl<'a> Layout<'a> {
    /// Reads a file's segments up to its first scan; `None` if the file ends earlier.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut frame = None;
        let (mut exif, mut jfif, mut adobe) = (None, false, None);
        let mut at = 2;
        loop {
            let (marker, begin) = next_marker(bytes, at)?;
            if matches!(marker, 0x01 | 0xd0..=0xd8) {
                // These have no length.
                at = begin;
                continue;
            }
            let length = usize::from(u16::from_be_bytes(*bytes.get(begin..)?.first_chunk()?));
            let content = bytes.get(begin + 2..begin.checked_add(length)?)?;
            match marker {
                0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                    // A second frame is left to the decoder, which refuses it.
                    frame = frame.or(Some((coding(marker), content)));
                }
                0xe0 => jfif |= content.len() >= 14 && content.starts_with(b"JFIF\0"),
                0xe1 => exif = exif.or(content.strip_prefix(b"Exif\0\0")),
                0xee if content.len() >= 12 && content.starts_with(b"Adobe") => {
                    adobe = content.get(11).copied();
                }
                0xda => {
                    let (coding, frame) = frame?;
                    let size = |at: usize| {
                        let side = frame.get(at..)?.first_chunk()?;
                        Some(u16::from_be_bytes(*side))
                    };
                    let components = components(frame)?;
                    return Some(Self {
                        coding,
                        precision: *frame.first()?,
                        height: size(1)?,
                        width: size(3)?,
                        in_first_scan: usize::from(*content.first()?),
                        components,
                        exif,
                        jfif,
                        adobe,
                        scans_at: begin,
                    });
                }
                0xd9 => return None,
                _ => {}
            }
            at = begin + length;
        }
    }

    /// The colour model by libjpeg's rules: JFIF means YCbCr, regardless of Adobe's segment, and component ids matter only
    /// if neither segment exists. `None` for numbers of components without a meaning.
    pub(super) fn colour(&self) -> Option<Colour> {
        Some(match (self.components.len(), self.adobe) {
            (1, _) => Colour::Grey,
            (3, _) if self.jfif => Colour::YCbCr,
            (3, Some(0)) => Colour::Rgb,
            (3, None) if self.named_rgb() => Colour::Rgb,
            (3, _) => Colour::YCbCr,
            (4, None | Some(0)) => Colour::Cmyk,
            (4, Some(_)) => Colour::Ycck,
            _ => return None,
        })
    }

    fn named_rgb(&self) -> bool {
        self.components.iter().map(|c| c.name).eq(*b"RGB")
    }

    /// Whether zune-jpeg 0.5.15 is known to decode this layout and these colours like libjpeg. It does not if a sequential
    /// file's components are in several scans, if a later component is sampled more finely than once per unit, if sampling
    /// is by thirds, or if the segments contradict each other about colour.
    pub(super) fn usual(&self) -> bool {
        let Some((first, others)) = self.components.split_first() else {
            return false;
        };
        let interleaved =
            self.coding == Coding::Progressive || self.in_first_scan == self.components.len();
        let power = |factor: u8| matches!(factor, 1 | 2 | 4);
        let once = |c: &Component| (c.across, c.down) == (1, 1);
        let sampled = power(first.across) && power(first.down) && others.iter().all(once);
        // The last of four components is black, which is sampled like the first.
        let black = matches!(others, [a, b, black] if once(a) && once(b)
            && (black.across, black.down) == (first.across, first.down)
            && power(first.across) && power(first.down));
        let agreed = match self.components.len() {
            3 if self.named_rgb() => !self.jfif && matches!(self.adobe, None | Some(0)),
            3 => !(self.jfif && self.adobe == Some(0)),
            4 => matches!(self.adobe, None | Some(0 | 2)),
            _ => true,
        };
        interleaved && (sampled || black) && agreed
    }

    /// Whether jpeg-decoder 0.3.2 counts the blocks correctly in a scan of each single component. It uses the image's number
    /// of blocks for all, which is too large for a component that is neither the finest nor sampled once per unit.
    pub(super) fn counts_blocks(&self) -> bool {
        if self.coding == Coding::Sequential && self.in_first_scan == self.components.len() {
            return true;
        }
        let finest =
            |factor: fn(&Component) -> u8| self.components.iter().map(factor).map(u32::from).max();
        let (Some(across), Some(down)) = (finest(|c| c.across), finest(|c| c.down)) else {
            return false;
        };
        let right = |side: u16, factor: u8, finest: u32| {
            let (side, factor) = (u32::from(side), u32::from(factor));
            finest > 0 && {
                let padded = side.div_ceil(8 * finest) * factor;
                let there = (side * factor).div_ceil(finest).div_ceil(8);
                padded.min(side.div_ceil(8)) == there
            }
        };
        self.components
            .iter()
            .all(|c| right(self.width, c.across, across) && right(self.height, c.down, down))
    }

    /// The number of scans. This searches the pixel data, in which a marker is unambiguous.
    pub(super) fn scans(&self, bytes: &[u8]) -> usize {
        let rest = bytes.get(self.scans_at..).unwrap_or_default();
        1 + rest.windows(2).filter(|pair| *pair == [0xff, 0xda]).count()
    }
}

/// The next marker from `at` on, and the offset after it. Other bytes are skipped, as in libjpeg.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        at += bytes.get(at..)?.iter().position(|&byte| byte != 0xff)?;
        let marker = *bytes.get(at)?;
        at += 1;
        if marker != 0 {
            return Some((marker, at));
        }
    }
}

fn coding(marker: u8) -> Coding {
    match marker {
        0xc0 | 0xc1 => Coding::Sequential,
        0xc2 => Coding::Progressive,
        0xc3 => Coding::Lossless,
        0xc5..=0xc7 => Coding::Hierarchical,
        _ => Coding::Arithmetic,
    }
}

fn components(frame: &[u8]) -> Option<Vec<Component>> {
    let count = usize::from(*frame.get(5)?);
    let list = frame.get(6..6 + 3 * count)?;
    let (list, _) = list.as_chunks::<3>();
    let component = |&[name, sampling, _]: &[u8; 3]| Component {
        name,
        across: sampling >> 4,
        down: sampling & 15,
    };
    Some(list.iter().map(component).collect())
}

/// An error for a damaged JPEG, with the reason.
pub(super) fn corrupt(reason: &str) -> ImageError {
    ImageError::Corrupt {
        format: Format::Jpeg,
        reason: reason.trim().to_owned(),
    }
}
