//! Which columns of a Parquet file hold ids, images and texts.

use anyhow::bail;
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use parquet::arrow::ProjectionMask;
use parquet::basic::Type;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

/// The columns that the command line names. A column inside a struct is named with a dot: `image.path`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ColumnNames {
    /// Column of the ids, strings or whole numbers [default: id if there is one, else FILE:ROW with rows from 0]
    #[arg(long, value_name = "NAME", requires = "parquet")]
    id_column: Option<String>,
    /// Column of the images: a file's bytes, or a struct with them in `bytes`, as Hugging Face's datasets have
    /// [default: image if there is one; none if only --text-column is given]
    #[arg(long, value_name = "NAME", requires = "parquet")]
    image_column: Option<String>,
    /// Column of the texts [default: text, else caption, if there is one; none if only --image-column is given]
    #[arg(long, value_name = "NAME", requires = "parquet")]
    text_column: Option<String>,
}

/// A column of values: its place among the file's columns, and the names that lead to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    leaf: usize,
    names: Vec<String>,
}

/// The columns of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub id: Option<Column>,
    pub image: Option<Column>,
    pub text: Option<Column>,
}

impl ColumnNames {
    /// Finds the columns in a file.
    ///
    /// # Errors
    /// If one that is named is not there or has another type, or if there is nothing to embed. The message says what is there.
    pub fn find(&self, schema: &SchemaDescriptor) -> anyhow::Result<Columns> {
        let named = |name: &Option<String>, holds| {
            let found = name.as_deref().map(|name| required(schema, name, holds));
            found.transpose()
        };
        let (mut image, mut text) = (
            named(&self.image_column, Holds::Images)?,
            named(&self.text_column, Holds::Texts)?,
        );
        if image.is_none() && text.is_none() {
            image = optional(schema, "image", Holds::Images);
            text = optional(schema, "text", Holds::Texts)
                .or_else(|| optional(schema, "caption", Holds::Texts));
        }
        if image.is_none() && text.is_none() {
            bail!(
                "no column is named image, text or caption; say which to take with --image-column or --text-column: there are {}",
                listed(schema)
            );
        }
        let id = match named(&self.id_column, Holds::Ids)? {
            None => optional(schema, "id", Holds::Ids),
            found => found,
        };
        Ok(Columns { id, image, text })
    }
}

impl Columns {
    /// What to read of the file for these columns.
    pub fn mask<'a>(
        schema: &SchemaDescriptor,
        columns: impl IntoIterator<Item = &'a Option<Column>>,
    ) -> ProjectionMask {
        let leaves = columns.into_iter().flatten().map(|column| column.leaf);
        ProjectionMask::leaves(schema, leaves)
    }
}

impl Column {
    /// Its values in rows that were read.
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

/// What a column is for, which decides what it may be.
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

/// A column, if it is there and holds what it should.
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
    bail!("there is no column {name}; there are {}", listed(schema))
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
