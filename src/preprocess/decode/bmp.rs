//! BMP files whose last row lacks its padding to a multiple of four bytes. Some writers omit it, and it contains no pixels.

use std::borrow::Cow;

/// The file with that padding added; unchanged if nothing or anything else is missing.
pub(super) fn padded(bytes: &[u8]) -> Cow<'_, [u8]> {
    match missing(bytes) {
        Some(padding @ 1..=3) => Cow::Owned([bytes, &[0; 3][..padding]].concat()),
        _ => Cow::Borrowed(bytes),
    }
}

/// Number of missing padding bytes. `None` if pixels are missing too, or are compressed.
fn missing(bytes: &[u8]) -> Option<usize> {
    let short = |at: usize| {
        let number = bytes.get(at..)?.first_chunk()?;
        Some(u64::from(u16::from_le_bytes(*number)))
    };
    let long = |at: usize| {
        let number = bytes.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*number))
    };
    let (width, height, bits) = if long(14)? == 12 {
        (short(18)?, short(20)?, short(24)?)
    } else {
        // 0 and 3: uncompressed pixels, the second with masks.
        if !matches!(long(30)?, 0 | 3) {
            return None;
        }
        // A negative height means rows from top to bottom.
        let height = long(22)?.cast_signed().unsigned_abs();
        (u64::from(long(18)?), u64::from(height), short(28)?)
    };
    let row_bits = width.checked_mul(bits)?;
    let stride = row_bits.div_ceil(32) * 4;
    let end = stride
        .checked_mul(height)?
        .checked_add(u64::from(long(10)?))?;
    let padding = stride - row_bits.div_ceil(8);
    let missing = end.checked_sub(bytes.len() as u64)?;
    (missing <= padding).then_some(usize::try_from(missing).ok()?)
}
