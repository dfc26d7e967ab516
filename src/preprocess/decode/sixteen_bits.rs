//! Converts 16-bit samples to 8 bits, row by row, and detects values in the low bits.
//!
//! By the formats' definitions values use all 16 bits, so the high 8 are used. Cameras of 10 and 12 bits often store their
//! values in the low bits instead: interpreted by the definition, such a picture is nearly black.

use crate::preprocess::ValueBits;

/// If all 16-bit values are below this, they may come from a camera with fewer bits: an eighth of the range.
const LOW: u16 = 1 << 13;

/// Converts samples and stores the largest.
pub(super) struct SixteenBits {
    shift: u32,
    stated: bool,
    largest: u16,
    /// The bits that are set in any sample.
    used: u16,
}

impl SixteenBits {
    /// The low `bits` of each sample hold its value; without it all 16 do.
    pub(super) fn new(bits: Option<ValueBits>) -> Self {
        Self {
            shift: bits.map_or(8, |bits| u32::from(bits.get()) - 8),
            stated: bits.is_some(),
            largest: 0,
            used: 0,
        }
    }

    /// Converts as many samples as fit: pixels of `channels` samples, of which the first `colours` are colours. Values above
    /// the range become 255.
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

    /// Whether values with this number of bits, 1 to 15, must be in the low ones: they fit there, and in the high ones they
    /// would be invalid or hardly more than black.
    pub(super) fn must_be_low(&self, bits: u8) -> bool {
        let below_high_bits = (1_u16 << (16 - bits)) - 1;
        (1..1 << bits).contains(&u32::from(self.largest))
            && (self.used & below_high_bits != 0 || self.largest < LOW)
    }

    /// Whether the values look like those of fewer bits and the number of bits is not given. All-black pictures do not
    /// count.
    pub(super) fn in_low_bits(&self) -> bool {
        !self.stated && (1..LOW).contains(&self.largest)
    }
}
