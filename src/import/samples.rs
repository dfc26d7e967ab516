//! The inputs of an imported model's golden embeddings: drawn pictures and texts that exercise different parts of
//! preprocessing and tokenizer.

use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};

use super::error::ImportError;

/// Short, empty, other scripts, longer than any context.
pub fn texts() -> Vec<String> {
    vec![
        "a photo of a cat".to_owned(),
        String::new(),
        "Ein GRÜNER Becher, ½ voll · 一个红色的螺栓 🔩".to_owned(),
        "many words and no end, ".repeat(40),
    ]
}

/// Draws the pictures below `golden/` of a bundle and returns their names in it: a wide one, whose crop cannot be centred
/// exactly in a square of 224, a tall one, a small one.
pub fn draw(bundle: &Path) -> Result<Vec<String>, ImportError> {
    let folder = bundle.join("golden");
    std::fs::create_dir_all(&folder).map_err(|e| ImportError::file(&folder, &e))?;
    let mut names = Vec::new();
    for (index, (width, height)) in [(347, 240), (250, 371), (90, 90)].into_iter().enumerate() {
        let name = format!("golden/{index}.png");
        let path = bundle.join(&name);
        RgbImage::from_fn(width, height, |x, y| pixel(index as u32, x, y))
            .save_with_format(&path, ImageFormat::Png)
            .map_err(|e| ImportError::Write {
                path: path.clone(),
                reason: e.to_string(),
            })?;
        names.push(name);
    }
    Ok(names)
}

/// Tiles of different colours, each with a gradient.
fn pixel(index: u32, x: u32, y: u32) -> Rgb<u8> {
    let tile = (x / 40 + 7 * (y / 30) + 3 * index).wrapping_mul(2_654_435_761);
    let shade = (x % 40 + y % 30) as u8;
    let [_, red, green, blue] = tile.to_be_bytes();
    Rgb([red, green, blue].map(|channel| channel.saturating_add(shade)))
}
