//! The first directory of a TIFF file: its entries as numbers (TIFF 6.0, section 2; BigTIFF).

use super::refusals::corrupt;
use crate::preprocess::error::ImageError;

/// The first directory of a file. Its entries are read in place; nothing is copied before it is needed.
pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    /// Whether numbers are little-endian.
    pub(super) little: bool,
    big: bool,
    /// Offset of its first entry, and number of entries.
    start: usize,
    count: usize,
}

/// An entry: the values of a tag.
struct Entry<'a> {
    /// Bytes per value; `None` for types other than unsigned integers.
    width: Option<usize>,
    /// The bytes of the values, which are inside the file.
    bytes: &'a [u8],
}

impl<'a> Directory<'a> {
    /// # Errors
    /// [`ImageError::Corrupt`] if it is not inside the file.
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, ImageError> {
        Self::within(bytes).ok_or_else(|| corrupt("its directory is outside the file"))
    }

    fn within(bytes: &'a [u8]) -> Option<Self> {
        let mut this = Self {
            bytes,
            little: bytes.starts_with(b"II"),
            big: false,
            start: 0,
            count: 0,
        };
        this.big = this.number(2, 2)? == 43;
        let (start, wide) = if this.big {
            (this.number(8, 8)?, 8)
        } else {
            (this.number(4, 4)?, 2)
        };
        let start = usize::try_from(start).ok()?;
        this.count = usize::try_from(this.number(start, wide)?).ok()?;
        this.start = start.checked_add(wide)?;
        let length = this.count.checked_mul(this.entry_bytes())?;
        bytes.get(this.start..this.start.checked_add(length)?)?;
        Some(this)
    }

    fn entry_bytes(&self) -> usize {
        if self.big { 20 } else { 12 }
    }

    /// The first value of a tag; `None` if the file does not have it.
    ///
    /// # Errors
    /// [`ImageError::Corrupt`] if the tag is not a number or is outside the file.
    pub(super) fn one(&self, tag: u16) -> Result<Option<u64>, ImageError> {
        Ok(self
            .numbers(tag, 1)?
            .and_then(|values| values.first().copied()))
    }

    /// The values of a tag, at most `most`: further ones are ignored. `None` if the file does not have the tag.
    ///
    /// # Errors
    /// As [`Self::one`].
    pub(super) fn numbers(&self, tag: u16, most: usize) -> Result<Option<Vec<u64>>, ImageError> {
        let Some(entry) = self.entry(tag)? else {
            return Ok(None);
        };
        let Some(width) = entry.width else {
            return Err(corrupt(&format!("tag {tag} is not an integer")));
        };
        let values = entry.bytes.chunks_exact(width).take(most);
        Ok(Some(
            values.map(|digits| join(digits, self.little)).collect(),
        ))
    }

    /// The bytes of a tag, of any type. `None` if the file does not have it.
    ///
    /// # Errors
    /// [`ImageError::Corrupt`] if they are outside the file.
    pub(super) fn raw(&self, tag: u16) -> Result<Option<&'a [u8]>, ImageError> {
        Ok(self.entry(tag)?.map(|entry| entry.bytes))
    }

    fn entry(&self, tag: u16) -> Result<Option<Entry<'a>>, ImageError> {
        let places = (0..self.count).map(|i| self.start + i * self.entry_bytes());
        let found = |place: &usize| self.number(*place, 2) == Some(u64::from(tag));
        let Some(place) = places.into_iter().find(found) else {
            return Ok(None);
        };
        self.values(place).map(Some).ok_or_else(|| {
            corrupt(&format!(
                "an entry of its directory (tag {tag}) is longer than the file"
            ))
        })
    }

    /// The entry at an offset. Values that do not fit into it are elsewhere in the file.
    fn values(&self, place: usize) -> Option<Entry<'a>> {
        let kind = self.number(place + 2, 2)?;
        let wide = if self.big { 8 } else { 4 };
        let count = usize::try_from(self.number(place + 4, wide)?).ok()?;
        let (bytes, width) = match kind {
            1 | 7 => (1, Some(1)),
            3 => (2, Some(2)),
            4 | 13 => (4, Some(4)),
            16 | 18 => (8, Some(8)),
            8 => (2, None),
            9 | 11 => (4, None),
            5 | 10 | 12 | 17 => (8, None),
            _ => (1, None),
        };
        let length = count.checked_mul(bytes)?;
        let inside = place + 4 + wide;
        let start = if length <= wide {
            inside
        } else {
            usize::try_from(self.number(inside, wide)?).ok()?
        };
        Some(Entry {
            width,
            bytes: self.bytes.get(start..start.checked_add(length)?)?,
        })
    }

    /// The number of `width` bytes at an offset, in the file's byte order.
    fn number(&self, at: usize, width: usize) -> Option<u64> {
        let digits = self.bytes.get(at..at.checked_add(width)?)?;
        Some(join(digits, self.little))
    }
}

fn join(digits: &[u8], little: bool) -> u64 {
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    if little {
        digits.iter().rev().fold(0, add)
    } else {
        digits.iter().fold(0, add)
    }
}
