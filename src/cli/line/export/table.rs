//! Writes pairs as Parquet, in UltraEdit's columns and some more.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use arrow_array::builder::{BinaryBuilder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::corrections::Corrections;
use super::selection::{Good, Pair, Selection};
use super::split::Split;
use crate::whole_file;

/// Bytes of images of a row group, about: they are in memory while it is written.
const GROUP_BYTES: usize = 32 << 20;

/// Ids of pairs whose images were deleted while the export ran.
pub type Gone = BTreeSet<String>;

/// Replaces the file of a split. Returns the pairs whose images are gone.
///
/// # Errors
/// What the server refused, and errors of the file system.
pub fn write(
    file: &Path,
    split: Split,
    selected: &Selection,
    corrections: &Corrections<'_>,
    line: &str,
) -> anyhow::Result<Gone> {
    let mut gone = Gone::new();
    let written = whole_file::replace(file, |file| {
        let rows = selected.of(split);
        write_to(file, rows, corrections, line, &mut gone)
    });
    written.with_context(|| format!("cannot write {}", file.display()))?;
    Ok(gone)
}

fn write_to<'a>(
    file: &File,
    pairs: impl Iterator<Item = &'a Pair>,
    corrections: &Corrections<'_>,
    line: &str,
    gone: &mut Gone,
) -> anyhow::Result<()> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .build();
    let schema = schema();
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))?;
    let mut rows = Rows::default();
    for pair in pairs {
        let (id, view) = (&pair.ng.inspection, pair.ng.view);
        let source = match &pair.good {
            Good::Reference => corrections.reference(id, view)?,
            Good::Part(part) => corrections.image(part, view)?,
        };
        match (source, corrections.image(id, view)?) {
            (Some(source), Some(edited)) => rows.add(pair, line, &source, &edited),
            _ => {
                gone.insert(pair.id());
            }
        }
        if rows.bytes > GROUP_BYTES {
            writer.write(&rows.finish(schema.clone())?)?;
            writer.flush()?;
        }
    }
    writer.write(&rows.finish(schema)?)?;
    writer.close()?;
    Ok(())
}

const TEXTS: [&str; 10] = [
    "source_caption",
    "target_caption",
    "edit_prompt",
    "id",
    "source_of",
    "kind",
    // The same, by which benchmarks and audits group.
    "category",
    "part",
    "lot",
    "reviewer",
];

fn image_fields() -> Fields {
    Fields::from(vec![
        Field::new("bytes", DataType::Binary, false),
        Field::new("path", DataType::Utf8, false),
    ])
}

fn schema() -> Arc<Schema> {
    let image = |name| Field::new(name, DataType::Struct(image_fields()), false);
    let text = |name| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![image("source_image"), image("edited_image")];
    fields.extend(TEXTS.map(text));
    fields.push(text("line"));
    fields.push(Field::new("line_version", DataType::Int64, false));
    fields.push(text("model"));
    Arc::new(Schema::new(fields))
}

#[derive(Default)]
struct Rows {
    source: Images,
    edited: Images,
    texts: [StringBuilder; TEXTS.len()],
    line: StringBuilder,
    version: Int64Builder,
    model: StringBuilder,
    bytes: usize,
}

impl Rows {
    fn add(&mut self, pair: &Pair, line: &str, source: &[u8], edited: &[u8]) {
        let (ng, captions) = (&pair.ng, &pair.captions);
        let (source_of, path) = match &pair.good {
            Good::Reference => ("reference", "reference"),
            Good::Part(part) => ("part", part.as_str()),
        };
        self.source.add(source, path);
        self.edited.add(edited, &ng.inspection);
        let id = pair.id();
        let reviewer = Some(ng.verdict.who.as_str()).filter(|who| !who.is_empty());
        let texts = [
            Some(captions.source.as_str()),
            Some(&captions.target),
            Some(&captions.target),
            Some(&id),
            Some(source_of),
            captions.kind.as_deref(),
            captions.kind.as_deref(),
            ng.part.as_deref(),
            ng.lot.as_deref(),
            reviewer,
        ];
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.append_option(text);
        }
        self.line.append_value(line);
        self.version.append_value(ng.version);
        self.model.append_value(&ng.model);
        self.bytes += source.len() + edited.len();
    }

    fn finish(&mut self, schema: Arc<Schema>) -> anyhow::Result<RecordBatch> {
        let mut rows = std::mem::take(self);
        let mut columns = vec![rows.source.finish()?, rows.edited.finish()?];
        for column in &mut rows.texts {
            columns.push(Arc::new(column.finish()));
        }
        columns.push(Arc::new(rows.line.finish()));
        columns.push(Arc::new(rows.version.finish()));
        columns.push(Arc::new(rows.model.finish()));
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

#[derive(Default)]
struct Images {
    bytes: BinaryBuilder,
    paths: StringBuilder,
}

impl Images {
    fn add(&mut self, image: &[u8], path: &str) {
        self.bytes.append_value(image);
        self.paths.append_value(path);
    }

    fn finish(&mut self) -> anyhow::Result<ArrayRef> {
        let columns: Vec<ArrayRef> =
            vec![Arc::new(self.bytes.finish()), Arc::new(self.paths.finish())];
        Ok(Arc::new(StructArray::try_new(
            image_fields(),
            columns,
            None,
        )?))
    }
}
