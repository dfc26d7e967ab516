//! What is read of a TIFF file's directory before its decoder reads it (TIFF 6.0; BigTIFF).

use super::Format;
use crate::preprocess::error::ImageError;

/// Refuses a file in whose first directory an entry claims more values than the file has bytes. The decoder would take
/// memory for all of them: a file of a kilobyte can claim four million places of strips, and hold 132 MB.
pub(super) fn check_directory(bytes: &[u8]) -> Result<(), ImageError> {
    let too_long = Directory::of(bytes).is_some_and(|directory| {
        directory
            .entries()
            .any(|(kind, count)| size_of(kind).saturating_mul(count) > bytes.len() as u64)
    });
    if too_long {
        return Err(ImageError::Corrupt {
            format: Format::Tiff,
            reason: "an entry of its directory is longer than the file".to_owned(),
        });
    }
    Ok(())
}

/// Bytes of a value by its type's number; one for types that are unknown.
fn size_of(kind: u64) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}

/// The first directory of a file. What does not lie in the file is `None`: the decoder says what is wrong with that.
struct Directory<'a> {
    bytes: &'a [u8],
    little: bool,
    big: bool,
    start: usize,
}

impl<'a> Directory<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let mut this = Self {
            bytes,
            little: bytes.starts_with(b"II"),
            big: false,
            start: 0,
        };
        this.big = this.number(2, 2)? == 43;
        let start = if this.big {
            this.number(8, 8)?
        } else {
            this.number(4, 4)?
        };
        this.start = usize::try_from(start).ok()?;
        Some(this)
    }

    /// Type and number of values of each entry.
    fn entries(&self) -> impl Iterator<Item = (u64, u64)> {
        let (wide, length) = if self.big { (8, 20) } else { (2, 12) };
        let count = self.number(self.start, wide).unwrap_or(0);
        (0..count).map_while(move |i| {
            let entry = usize::try_from(i).ok()?.checked_mul(length)?;
            let entry = self.start.checked_add(wide)?.checked_add(entry)?;
            let kind = self.number(entry.checked_add(2)?, 2)?;
            let values = self.number(entry.checked_add(4)?, if self.big { 8 } else { 4 })?;
            Some((kind, values))
        })
    }

    /// The number of `width` bytes at a place, in the file's byte order.
    fn number(&self, at: usize, width: usize) -> Option<u64> {
        let digits = self.bytes.get(at..at.checked_add(width)?)?.iter();
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.little {
            digits.rev().fold(0, join)
        } else {
            digits.fold(0, join)
        })
    }
}
