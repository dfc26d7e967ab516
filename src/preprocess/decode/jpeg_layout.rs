//! How a JPEG file is laid out, read from its markers: which decoder gets it right, or that none here does.
//!
//! zune-jpeg 0.5.15 answers some valid files with garbage and no error: scans of one component each with subsampling, chroma
//! that is sampled finer than luma, odd sampling factors. What it is not trusted with goes to a second decoder. Markers: ITU-T
//! T.81, annex B; JFIF 1.02; Adobe's APP14 (Technical Note 5116).

use super::jpeg::corrupt;
use crate::preprocess::error::ImageError;

/// Who decodes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// The fast decoder.
    Fast,
    /// The second decoder, which knows all baseline and progressive layouts.
    Second {
        /// JFIF says that the three components are YCbCr, whatever an Adobe marker beside it says: libjpeg takes JFIF's word.
        jfif_colour: bool,
    },
}

/// What the markers before the first scan's data say.
#[derive(Debug, Default)]
struct Layout {
    /// Marker of the frame header, `0xC0` to `0xCF`.
    frame: u8,
    /// Bits of a sample.
    precision: u8,
    /// Horizontal and vertical sampling factors of the components.
    sampling: Vec<(u8, u8)>,
    /// Components of the first scan.
    scanned: usize,
    jfif: bool,
    adobe_transform: Option<u8>,
}

/// Judges a file that begins like a JPEG.
///
/// # Errors
/// [`ImageError::UnsupportedFormat`] for kinds of JPEG that no decoder here reads; [`ImageError::Corrupt`] if the markers make
/// no sense.
pub(super) fn judge(bytes: &[u8]) -> Result<Trust, ImageError> {
    let layout = read(bytes).ok_or_else(|| corrupt("its markers break off or make no sense"))?;
    let unsupported = |what: &str| {
        Err(ImageError::UnsupportedFormat {
            what: what.to_owned(),
        })
    };
    match layout.frame {
        0xc0..=0xc2 => {}
        0xc3 => return unsupported("a lossless JPEG"),
        0xc5..=0xc7 => return unsupported("a hierarchical JPEG"),
        _ => return unsupported("a JPEG with arithmetic coding"),
    }
    if layout.precision != 8 {
        return unsupported(&format!("a JPEG of {} bits a sample", layout.precision));
    }
    let whole = layout.scanned == layout.sampling.len();
    let jfif_colour =
        layout.jfif && layout.adobe_transform == Some(0) && layout.sampling.len() == 3;
    if whole && is_usual(&layout.sampling) && !jfif_colour {
        return Ok(Trust::Fast);
    }
    if layout.sampling.len() == 4 {
        return unsupported(
            "a JPEG with four channels of which each has a scan or sampling of its own",
        );
    }
    Ok(Trust::Second { jfif_colour })
}

/// Whether components are sampled as nearly all files are: luma once or twice as fine as chroma, each way. A lone component
/// has nothing to be compared with.
fn is_usual(sampling: &[(u8, u8)]) -> bool {
    let Some(((across, down), others)) = sampling.split_first() else {
        return true;
    };
    let luma = matches!(across, 1 | 2) && matches!(down, 1 | 2);
    match sampling.len() {
        1 => true,
        // In CMYK the fourth is as fine as the first.
        4 => luma && sampling[1] == (1, 1) && sampling[2] == (1, 1) && sampling[3] == sampling[0],
        _ => luma && others.iter().all(|factors| *factors == (1, 1)),
    }
}

/// `None` if the markers break off before the first scan's data.
fn read(bytes: &[u8]) -> Option<Layout> {
    let mut layout = Layout::default();
    let mut rest = bytes.get(2..)?;
    loop {
        // A marker may have any number of fill bytes before it; what stands between segments is passed over, as libjpeg does.
        let start = rest.iter().position(|byte| *byte == 0xff)?;
        rest = &rest[start..];
        let code = rest.iter().position(|byte| *byte != 0xff)?;
        let marker = rest[code];
        rest = &rest[code + 1..];
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8) {
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        let segment = rest.get(2..length)?;
        rest = &rest[length..];
        match marker {
            // Huffman tables, JPG and arithmetic conditioning share the range of frame headers.
            0xc4 | 0xc8 | 0xcc => {}
            0xc0..=0xcf => {
                layout.frame = marker;
                layout.precision = *segment.first()?;
                let count = usize::from(*segment.get(5)?);
                let components = segment.get(6..6 + 3 * count)?.chunks_exact(3);
                layout.sampling = components.map(|c| (c[1] >> 4, c[1] & 15)).collect();
            }
            0xda => {
                layout.scanned = usize::from(*segment.first()?);
                return (layout.frame != 0).then_some(layout);
            }
            0xe0 if segment.starts_with(b"JFIF\0") => layout.jfif = true,
            0xee if segment.starts_with(b"Adobe") => {
                layout.adobe_transform = segment.get(11).copied();
            }
            // The end of the image, before a scan.
            0xd9 => return None,
            _ => {}
        }
    }
}
