//! Whatever channels a decoder delivers, as 8-bit RGB.

use image::ColorType;

/// Converts a decoder's buffer (16-bit samples in the machine's byte order). `None` for kinds that have no agreed
/// range, such as floating point.
pub(super) fn to_rgb(colour: ColorType, samples: Vec<u8>) -> Option<Vec<u8>> {
    Some(match colour {
        ColorType::Rgb8 => samples,
        ColorType::Rgba8 => pick::<4>(&samples, [0, 1, 2]),
        ColorType::L8 => pick::<1>(&samples, [0, 0, 0]),
        ColorType::La8 => pick::<2>(&samples, [0, 0, 0]),
        ColorType::L16 => pick::<1>(&high_bytes(&samples), [0, 0, 0]),
        ColorType::La16 => pick::<2>(&high_bytes(&samples), [0, 0, 0]),
        ColorType::Rgb16 => high_bytes(&samples),
        ColorType::Rgba16 => pick::<4>(&high_bytes(&samples), [0, 1, 2]),
        _ => return None,
    })
}

/// Takes three of `N` channels.
fn pick<const N: usize>(samples: &[u8], channels: [usize; 3]) -> Vec<u8> {
    let (from, _) = samples.as_chunks::<N>();
    let mut pixels = vec![0; from.len() * 3];
    for (to, from) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(from) {
        *to = channels.map(|channel| from[channel]);
    }
    pixels
}

/// The upper half of each 16-bit sample, which is what Pillow keeps of 16-bit colour.
fn high_bytes(samples: &[u8]) -> Vec<u8> {
    let (pairs, _) = samples.as_chunks::<2>();
    pairs
        .iter()
        .map(|&pair| (u16::from_ne_bytes(pair) >> 8) as u8)
        .collect()
}
