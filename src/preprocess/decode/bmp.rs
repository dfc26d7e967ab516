//! A BMP file whose last row lacks the bytes that would fill it up to a multiple of four. Some writers leave them out, and
//! nothing of the picture is in them.

use std::borrow::Cow;

/// The file with that padding in its place; as it is if nothing or anything else is missing.
pub(super) fn padded(bytes: &[u8]) -> Cow<'_, [u8]> {
    match missing(bytes) {
        Some(padding @ 1..=3) => Cow::Owned([bytes, &[0; 3][..padding]].concat()),
        _ => Cow::Borrowed(bytes),
    }
}

/// How many bytes of padding the file lacks. `None` also if pixels are missing, or are compressed.
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
        // 0 and 3: pixels as they are, the second with masks.
        if !matches!(long(30)?, 0 | 3) {
            return None;
        }
        // A negative height means rows from the top.
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
