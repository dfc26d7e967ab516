//! Converts the channels that the `image` crate returns for WebP and BMP to 8-bit RGB.

use image::ColorType;

use super::alpha::on_ground;
use crate::preprocess::Alpha;

/// Converts a decoder's buffer. `None` for kinds that neither format has.
pub(super) fn to_rgb(colour: ColorType, samples: Vec<u8>, rule: Alpha) -> Option<Vec<u8>> {
    Some(match colour {
        ColorType::Rgb8 => samples,
        ColorType::Rgba8 => convert::<4>(&samples, |[red, green, blue, alpha]| {
            on_ground([red, green, blue], alpha, rule)
        }),
        ColorType::L8 => convert::<1>(&samples, |[grey]| [grey; 3]),
        ColorType::La8 => convert::<2>(&samples, |[grey, alpha]| on_ground([grey; 3], alpha, rule)),
        _ => return None,
    })
}

fn convert<const N: usize>(samples: &[u8], rgb: impl Fn([u8; N]) -> [u8; 3]) -> Vec<u8> {
    let (from, _) = samples.as_chunks::<N>();
    let mut pixels = vec![0; from.len() * 3];
    for (to, from) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(from) {
        *to = rgb(*from);
    }
    pixels
}
