//! The columns of a Parquet file with ids, images and texts: named on the command line, or by their usual names.

use anyhow::bail;
use parquet::schema::types::SchemaDescriptor;

use crate::dataset::parquet::{Column, Holds, listed, optional, required};

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

/// The columns of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    pub id: Option<Column>,
    pub image: Option<Column>,
    pub text: Option<Column>,
}

impl ColumnNames {
    /// Finds the columns of a file.
    ///
    /// # Errors
    /// If a named column does not exist or has another type, or if there is nothing to embed. The message lists the existing
    /// columns.
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
                "no column is named image, text or caption; name one with --image-column or --text-column; the file has {}",
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
