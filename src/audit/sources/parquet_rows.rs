//! Rows of Parquet files: UltraEdit's columns (one pair per row), or an image with its caption.

use std::fs::File;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::schema::types::SchemaDescriptor;

use super::{At, Sink, Source};
use crate::audit::quality::FILTER;
use crate::audit::record::{
    Fault, Picture, Problem, Quality, Record, Side, caption, long_caption, remark,
};
use crate::dataset::parquet::{Column, Holds, bytes, listed, metadata, optional, projection};
use crate::dataset::pipeline::Closed;

/// Number of rows in memory at a time: each may contain two large images.
const ROWS_AT_A_TIME: usize = 8;

/// The columns of one side.
#[derive(Debug)]
struct SideColumns {
    image: Option<Column>,
    caption: Option<Column>,
    long: Option<Column>,
}

#[derive(Debug)]
struct RowColumns {
    sides: Vec<SideColumns>,
    prompt: Option<Column>,
    category: Option<Column>,
    quality: Vec<Option<Column>>,
}

pub fn total(source: &Source) -> Option<u64> {
    let rows = metadata(&source.path)
        .ok()?
        .metadata()
        .file_metadata()
        .num_rows();
    u64::try_from(rows).ok()
}

pub fn read(source: &Source, sink: &mut Sink) -> Result<(), Closed> {
    let metadata = match metadata(&source.path) {
        Ok(metadata) => metadata,
        Err(error) => {
            let reason = format!("cannot be read as Parquet: {error:#}");
            return sink.broken(source.place(At::File), Fault::UnreadableFile, reason);
        }
    };
    let columns = match RowColumns::find(metadata.parquet_schema()) {
        Ok(columns) => columns,
        Err(reason) => return sink.broken(source.place(At::File), Fault::MissingColumn, reason),
    };
    let mut before = 0;
    for group in 0..metadata.metadata().num_row_groups() {
        let rows = metadata.metadata().row_group(group).num_rows();
        if let Err(reason) = read_group(source, &metadata, &columns, group, before, sink)? {
            let reason = format!("row group {group}: {reason}");
            sink.broken(source.place(At::File), Fault::UnreadableFile, reason)?;
        }
        before += u64::try_from(rows).unwrap_or(0);
    }
    Ok(())
}

/// Reads one row group; the inner error describes a part of the file that cannot be read.
fn read_group(
    source: &Source,
    metadata: &ArrowReaderMetadata,
    columns: &RowColumns,
    group: usize,
    before: u64,
    sink: &mut Sink,
) -> Result<Result<(), String>, Closed> {
    let reader = File::open(&source.path)
        .map_err(|error| error.to_string())
        .and_then(|file| {
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
                .with_row_groups(vec![group])
                .with_projection(columns.mask(metadata.parquet_schema()))
                .with_batch_size(ROWS_AT_A_TIME)
                .build()
                .map_err(|error| error.to_string())
        });
    let reader = match reader {
        Ok(reader) => reader,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut row = before;
    for batch in reader {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => return Ok(Err(error.to_string())),
        };
        for i in 0..batch.num_rows() {
            sink.record(columns.record(source, &batch, i, row))?;
            row += 1;
        }
    }
    Ok(Ok(()))
}

impl RowColumns {
    /// Finds the columns; the error names the missing ones.
    fn find(schema: &SchemaDescriptor) -> Result<Self, String> {
        let find =
            |names: &[&str], holds| names.iter().find_map(|name| optional(schema, name, holds));
        let side = |image: &[&str], caption: &[&str], long: &str| SideColumns {
            image: find(image, Holds::Images),
            caption: find(caption, Holds::Texts),
            long: find(&[long], Holds::Texts),
        };
        let source = side(
            &["source_image"],
            &["source_caption"],
            "source_caption_long",
        );
        let target = side(
            &["edited_image", "target_image"],
            &["target_caption"],
            "target_caption_long",
        );
        let single = side(&["image"], &["caption", "text"], "caption_long");
        let is_pair = [&source, &target]
            .iter()
            .any(|side| side.image.is_some() || side.caption.is_some());
        let sides = if is_pair {
            vec![source, target]
        } else {
            vec![single]
        };
        let names: &[[&str; 2]] = if is_pair {
            &[
                ["source_image", "source_caption"],
                ["edited_image", "target_caption"],
            ]
        } else {
            &[["image", "caption"]]
        };
        let missing: Vec<_> = sides
            .iter()
            .zip(names)
            .flat_map(|(side, [image, caption])| {
                let image = side.image.is_none().then_some(*image);
                image
                    .into_iter()
                    .chain(side.caption.is_none().then_some(*caption))
            })
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "no usable column {}; the file has {}",
                missing.join(", "),
                listed(schema)
            ));
        }
        Ok(Self {
            sides,
            prompt: find(&["edit_prompt"], Holds::Texts),
            category: find(&["category"], Holds::Texts),
            quality: FILTER
                .iter()
                .map(|(name, _)| find(&[name], Holds::Measures))
                .collect(),
        })
    }

    fn mask(&self, schema: &SchemaDescriptor) -> ProjectionMask {
        let sides = self
            .sides
            .iter()
            .flat_map(|side| [&side.image, &side.caption, &side.long]);
        let columns = sides
            .chain([&self.prompt, &self.category])
            .chain(&self.quality);
        projection(schema, columns)
    }

    fn record(&self, source: &Source, batch: &RecordBatch, i: usize, row: u64) -> Record {
        let array = |column: &Option<Column>| column.as_ref().and_then(|column| column.of(batch));
        let sides = self.sides.iter().map(|side| {
            let (image, text, long) = (array(&side.image), array(&side.caption), array(&side.long));
            let image = image
                .as_ref()
                .and_then(|array| bytes(array, i))
                .map(|bytes| Picture::Bytes(Bytes::copy_from_slice(bytes)))
                .ok_or_else(|| Problem::new(Fault::MissingImage, "the image's cell is empty"));
            Side {
                image,
                caption: Some(caption(text.as_ref().and_then(|array| bytes(array, i)))),
                long: long_caption(long.as_ref().and_then(|array| bytes(array, i))),
            }
        });
        let text = |column| remark(array(column).as_ref().and_then(|array| bytes(array, i)));
        let mut quality = Quality::default();
        for (value, column) in quality.iter_mut().zip(&self.quality) {
            *value = array(column).and_then(|array| number(&array, i));
        }
        Record {
            place: source.place(At::Row(row)),
            sides: sides.collect(),
            prompt: text(&self.prompt),
            category: text(&self.category),
            quality,
        }
    }
}

fn number(array: &ArrayRef, i: usize) -> Option<f64> {
    if array.is_null(i) {
        return None;
    }
    match array.data_type() {
        DataType::Float32 => Some(f64::from(array.as_primitive::<Float32Type>().value(i))),
        DataType::Float64 => Some(array.as_primitive::<Float64Type>().value(i)),
        _ => None,
    }
}
