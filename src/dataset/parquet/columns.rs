//! Columns of a Parquet file, by name and type.

use anyhow::bail;
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use parquet::arrow::ProjectionMask;
use parquet::basic::Type;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

/// A column of values: its position among the file's columns, and the path of names to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    leaf: usize,
    names: Vec<String>,
}

/// The projection of a file for some columns.
pub fn projection<'a>(
    schema: &SchemaDescriptor,
    columns: impl IntoIterator<Item = &'a Option<Column>>,
) -> ProjectionMask {
    let leaves = columns.into_iter().flatten().map(|column| column.leaf);
    ProjectionMask::leaves(schema, leaves)
}

impl Column {
    /// Its values in the rows that were read.
    pub fn of(&self, batch: &RecordBatch) -> Option<ArrayRef> {
        let (first, inner) = self.names.split_first()?;
        let mut array = batch.column_by_name(first)?.clone();
        for name in inner {
            let parent = array.as_any().downcast_ref::<StructArray>()?;
            array = parent.column_by_name(name)?.clone();
        }
        Some(array)
    }
}

/// The purpose of a column, which determines its permitted types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Ids,
    Images,
    Texts,
    Measures,
}

impl Holds {
    fn fits(self, column: &ColumnDescriptor) -> bool {
        let whole_number = matches!(column.physical_type(), Type::INT32 | Type::INT64);
        let bytes = column.physical_type() == Type::BYTE_ARRAY;
        let float = matches!(column.physical_type(), Type::FLOAT | Type::DOUBLE);
        let fits = match self {
            Self::Ids => bytes || whole_number,
            Self::Images | Self::Texts => bytes,
            Self::Measures => float,
        };
        column.max_rep_level() == 0 && fits
    }

    fn described(self) -> &'static str {
        match self {
            Self::Ids => "strings or whole numbers",
            Self::Images => "bytes, or a struct with the field bytes",
            Self::Texts => "strings",
            Self::Measures => "floating-point numbers",
        }
    }
}

/// Finds a column, if it exists and has a permitted type.
pub fn optional(schema: &SchemaDescriptor, name: &str, holds: Holds) -> Option<Column> {
    let leaf = leaf(schema, name, holds)?;
    let column = schema.column(leaf);
    holds.fits(&column).then(|| Column {
        leaf,
        names: column.path().parts().to_vec(),
    })
}

pub fn required(schema: &SchemaDescriptor, name: &str, holds: Holds) -> anyhow::Result<Column> {
    if let Some(column) = optional(schema, name, holds) {
        return Ok(column);
    }
    let wanted = holds.described();
    let there = schema
        .root_schema()
        .get_fields()
        .iter()
        .any(|field| field.name() == name)
        || leaf(schema, name, holds).is_some();
    if there {
        bail!("the column {name} does not hold {wanted}");
    }
    bail!("no column {name}; the file has {}", listed(schema))
}

fn leaf(schema: &SchemaDescriptor, name: &str, holds: Holds) -> Option<usize> {
    let place = |wanted: &str| {
        let mut columns = schema.columns().iter();
        columns.position(|column| column.path().string() == wanted)
    };
    let inner = || place(&format!("{name}.bytes")).filter(|_| holds == Holds::Images);
    place(name).or_else(inner)
}

/// The names of the columns, for messages.
pub fn listed(schema: &SchemaDescriptor) -> String {
    let names: Vec<_> = schema
        .root_schema()
        .get_fields()
        .iter()
        .map(|field| field.name())
        .collect();
    names.join(", ")
}
