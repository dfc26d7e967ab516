//! Maps as PNG: colours over the picture, and 16-bit values.

use super::error::InspectionError;
use super::map::AnomalyMap;

/// The value with the last colour.
pub const LAST_COLOUR: f32 = 4.0;
/// The value that is written as 65535; 16-bit values are in steps of 8 / 65535 from 0.
pub const LARGEST_VALUE: f32 = 8.0;
/// How much of the picture shows through a colour.
pub(super) const TRANSPARENCY: f32 = 0.35;

/// The colour of a value, red, green and blue: `None` below 1, where nothing stands out, then viridis from 1 (dark blue) to
/// [`LAST_COLOUR`] (yellow) and above. Viridis rises evenly in lightness, to the colour-blind too.
#[must_use]
pub fn colour(value: f32) -> Option<[u8; 3]> {
    (value >= 1.0).then(|| {
        let share = ((value - 1.0) / (LAST_COLOUR - 1.0)).min(1.0);
        colorous::VIRIDIS
            .eval_continuous(f64::from(share))
            .as_array()
    })
}

/// The picture (8-bit RGB, of the map's size) with the map's colours over it, as PNG.
pub fn overlay(map: &AnomalyMap, rgb: &[u8]) -> Result<Vec<u8>, InspectionError> {
    let expected = map.values().len() * 3;
    if rgb.len() != expected {
        return Err(InspectionError::Length {
            what: "the picture under a map",
            expected,
            found: rgb.len(),
        });
    }
    let mut pixels = rgb.to_vec();
    for (pixel, value) in pixels.chunks_exact_mut(3).zip(map.values()) {
        lay_over(pixel, *value);
    }
    encoded(map, png::ColorType::Rgb, png::BitDepth::Eight, &pixels)
}

/// Lays the colour of a value over a pixel: red, green, blue.
pub(super) fn lay_over(pixel: &mut [u8], value: f32) {
    if let Some(colour) = colour(value) {
        for (below, over) in pixel.iter_mut().zip(colour) {
            let mixed = f32::from(*below) * TRANSPARENCY + f32::from(over) * (1.0 - TRANSPARENCY);
            *below = mixed.round() as u8;
        }
    }
}

/// The map's values as 16-bit grey PNG: value · 65535 / [`LARGEST_VALUE`], limited to 0..65535.
pub fn values(map: &AnomalyMap) -> Result<Vec<u8>, InspectionError> {
    let grey = |value: &f32| ((value / LARGEST_VALUE * 65535.0).round() as u16).to_be_bytes();
    let pixels: Vec<_> = map.values().iter().flat_map(grey).collect();
    encoded(
        map,
        png::ColorType::Grayscale,
        png::BitDepth::Sixteen,
        &pixels,
    )
}

fn encoded(
    map: &AnomalyMap,
    colour: png::ColorType,
    depth: png::BitDepth,
    pixels: &[u8],
) -> Result<Vec<u8>, InspectionError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, map.width() as u32, map.height() as u32);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.set_compression(png::Compression::Fast);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(pixels)?;
        writer.finish()
    });
    // A map's sides are at least 1 and its pixels are bounded.
    written.map_err(|error| InspectionError::Png(error.to_string()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &[u8]) -> (png::OutputInfo, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .expect("it is a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("small")];
        let info = reader.next_frame(&mut pixels).expect("whole");
        (info, pixels)
    }

    #[test]
    fn values_come_back_and_only_what_stands_out_is_coloured() {
        let map = AnomalyMap::new(3, 2, vec![-1.0, 0.0, 0.99, 1.0, 4.0, 100.0]).expect("finite");
        let (info, pixels) = read(&values(&map).expect("small"));
        assert_eq!(
            (info.width, info.height, info.bit_depth),
            (3, 2, png::BitDepth::Sixteen)
        );
        let back: Vec<_> = pixels
            .chunks_exact(2)
            .map(|pair| f32::from(u16::from_be_bytes([pair[0], pair[1]])) * 8.0 / 65535.0)
            .collect();
        for (found, value) in back.iter().zip([0.0, 0.0, 0.99, 1.0, 4.0, 8.0]) {
            assert!((found - value).abs() < 1e-4, "{back:?}");
        }
        let (_, pixels) = read(&overlay(&map, &[100; 18]).expect("small"));
        assert_eq!(&pixels[..9], &[100; 9]);
        assert_eq!(pixels[12..15], pixels[15..18]);
        assert!(overlay(&map, &[100; 17]).is_err());
    }

    /// CIE lightness rises with every step, and the first colour is dark, the last yellow.
    #[test]
    fn colours_rise_in_lightness() {
        let lightness = |value: f32| {
            let linear = colour(value)
                .expect("coloured")
                .map(|channel| (f64::from(channel) / 255.0).powf(2.2));
            0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        };
        let steps: Vec<_> = (0..=30)
            .map(|step| lightness(1.0 + step as f32 * 0.1))
            .collect();
        assert!(steps.windows(2).all(|pair| pair[1] > pair[0]), "{steps:?}");
        assert_eq!((colour(0.999), colour(f32::NAN)), (None, None));
    }
}
