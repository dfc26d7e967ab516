//! Blends a transparent pixel with a background colour.

use crate::preprocess::Alpha;

/// A pixel's colour. Blending rounds like Pillow's `paste` with a mask.
pub(super) fn on_ground(colour: [u8; 3], alpha: u8, rule: Alpha) -> [u8; 3] {
    let ground = match rule {
        Alpha::Drop => return colour,
        Alpha::White => 255,
        Alpha::Black => 0,
    };
    let (alpha, rest) = (u32::from(alpha), u32::from(255 - alpha));
    colour.map(|colour| {
        let sum = u32::from(colour) * alpha + ground * rest + 128;
        ((sum + (sum >> 8)) >> 8) as u8
    })
}
