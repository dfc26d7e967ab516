//! The images that were judged worst, with their maps, as one picture (SVG).

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::category::{Compared, read};
use super::measured::Tested;
use super::set::Category;
use crate::calls::{MapKind, NotCompared, compare_one};
use crate::engine::{EmbedOptions, ImageSource, Model};
use crate::eval::markup::escaped;

/// Good images with the highest scores, and defective ones with the lowest: so many each of a category.
const WORST: usize = 4;

/// Side of a picture, and height of a line of text, in pixels.
const SIDE: usize = 180;
const LINE: usize = 18;

/// Rows of pictures, a category each.
#[derive(Debug, Default)]
pub struct Sheet {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    title: String,
    cells: Vec<Cell>,
}

#[derive(Debug)]
struct Cell {
    label: String,
    /// The image under its map, as PNG.
    png: Vec<u8>,
}

impl Sheet {
    /// Adds the worst images of a category.
    ///
    /// # Errors
    /// If the engine fails.
    pub async fn add(
        &mut self,
        model: &Arc<Model>,
        category: &Category,
        compared: &Compared,
    ) -> anyhow::Result<()> {
        let mut cells = Vec::new();
        for one in worst(category, &compared.tested) {
            let Some(image) = category.test.get(one.index) else {
                continue;
            };
            let source = ImageSource::Bytes(read(&image.file)?);
            let (map, options) = (Some(MapKind::Overlay), EmbedOptions::default());
            let found = compare_one(model, &compared.learnt, &source, map, options).await;
            if let Some(png) = found.map_err(NotCompared::reason)?.map {
                let name = image.file.file_name().unwrap_or_default().to_string_lossy();
                let kind = image.defect.as_deref().unwrap_or("good");
                let label = format!("{kind} {name}: {:.2}", one.score);
                cells.push(Cell { label, png });
            }
        }
        self.rows.push(Row {
            title: category.name.clone(),
            cells,
        });
        Ok(())
    }

    /// Writes `anomaly-worst.svg` into a folder and returns its path.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<std::path::PathBuf> {
        let path = folder.join("anomaly-worst.svg");
        std::fs::write(&path, self.svg())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    fn svg(&self) -> String {
        let height = self.rows.len() * (SIDE + 2 * LINE + 8) + LINE;
        let width = 2 * WORST * (SIDE + 8) + 8;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        for (number, row) in self.rows.iter().enumerate() {
            let top = number * (SIDE + 2 * LINE + 8) + LINE;
            // Writing to a String cannot fail.
            let _ = writeln!(
                svg,
                "<text x=\"8\" y=\"{top}\" font-weight=\"bold\">{}: good images with the highest scores, defective ones with the lowest</text>",
                escaped(&row.title)
            );
            for (place, cell) in row.cells.iter().enumerate() {
                let (x, y) = (8 + place * (SIDE + 8), top + 6);
                let _ = writeln!(
                    svg,
                    "<image x=\"{x}\" y=\"{y}\" width=\"{SIDE}\" height=\"{SIDE}\" href=\"data:image/png;base64,{}\"/>\n\
                     <text x=\"{x}\" y=\"{}\">{}</text>",
                    STANDARD.encode(&cell.png),
                    y + SIDE + LINE - 4,
                    escaped(&cell.label)
                );
            }
        }
        svg + "</svg>\n"
    }
}

fn worst<'a>(category: &Category, tested: &'a [Tested]) -> Vec<&'a Tested> {
    let is_defective = |one: &&Tested| {
        let image = category.test.get(one.index);
        image.is_some_and(|image| image.defect.is_some())
    };
    let (mut ng, mut ok): (Vec<&Tested>, Vec<_>) = tested.iter().partition(is_defective);
    ok.sort_by(|a, b| b.score.total_cmp(&a.score));
    ng.sort_by(|a, b| a.score.total_cmp(&b.score));
    ok.truncate(WORST);
    ng.truncate(WORST);
    ok.extend(ng);
    ok
}
