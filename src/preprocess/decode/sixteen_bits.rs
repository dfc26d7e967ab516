//! 16-bit samples in 8 bits, a row at a time, and what there is to say about them in the end.
//!
//! The formats have the value over all 16 bits, so that the high 8 are kept. Cameras of 10 and 12 bits often save their values in
//! the low bits instead: taken so, the picture is nearly black.

use crate::preprocess::ValueBits;

/// 16-bit values below this, all of them, may be those of a camera with fewer bits: an eighth of the range.
const LOW: u16 = 1 << 13;

/// Converts samples, and remembers the largest.
pub(super) struct SixteenBits {
    shift: u32,
    stated: bool,
    largest: u16,
    /// The bits that are set in any sample.
    used: u16,
}

impl SixteenBits {
    /// `bits` of each sample hold its value, the low ones; without it all 16 do.
    pub(super) fn new(bits: Option<ValueBits>) -> Self {
        Self {
            shift: bits.map_or(8, |bits| u32::from(bits.get()) - 8),
            stated: bits.is_some(),
            largest: 0,
            used: 0,
        }
    }

    /// Converts as many samples as there is room for: pixels of `channels` samples, of which the first `colours` are no
    /// transparency. What is above the range becomes 255.
    pub(super) fn narrow(
        &mut self,
        samples: impl Iterator<Item = u16>,
        (channels, colours): (usize, usize),
        bytes: &mut [u8],
    ) {
        let mut place = 0;
        for (to, sample) in bytes.iter_mut().zip(samples) {
            if place < colours {
                self.largest = self.largest.max(sample);
                self.used |= sample;
            }
            place = if place + 1 == channels { 0 } else { place + 1 };
            *to = (sample >> self.shift).min(255) as u8;
        }
    }

    /// Whether values of so many bits, 1 to 15, must be in the low ones: they fit in there, and would be no such values in the
    /// high ones, or hardly more than black.
    pub(super) fn must_be_low(&self, bits: u8) -> bool {
        let below_high_bits = (1_u16 << (16 - bits)) - 1;
        (1..1 << bits).contains(&u32::from(self.largest))
            && (self.used & below_high_bits != 0 || self.largest < LOW)
    }

    /// Whether the values look like those of fewer bits, and their number is not given. Black is black at any number.
    pub(super) fn in_low_bits(&self) -> bool {
        !self.stated && (1..LOW).contains(&self.largest)
    }
}
