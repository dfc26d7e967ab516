//! A JSON file of the layout, read field by field. Every error names the file and the field.

use std::path::Path;

use serde_json::{Map, Value};

use super::error::ImportError;
use crate::byte_order_mark;

/// The fields of a JSON object. A field that is `null` counts as absent.
#[derive(Debug)]
pub struct Document {
    file: String,
    /// The prefix of a field's name: `text_config.` inside `text_config`.
    prefix: String,
    fields: Map<String, Value>,
}

impl Document {
    /// Reads a file of the folder.
    pub fn read(folder: &Path, file: &str) -> Result<Self, ImportError> {
        Self::find(folder, file)?.ok_or_else(|| ImportError::Missing {
            file: file.to_owned(),
            folder: folder.to_owned(),
        })
    }

    /// Reads an optional file of the folder.
    pub fn find(folder: &Path, file: &str) -> Result<Option<Self>, ImportError> {
        let path = folder.join(file);
        if !path.is_file() {
            return Ok(None);
        }
        let bytes = std::fs::read(&path).map_err(|e| ImportError::file(&path, &e))?;
        Self::parse(file, &bytes).map(Some)
    }

    /// Reads the content of a file.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ImportError> {
        match serde_json::from_slice(byte_order_mark::dropped(bytes)) {
            Ok(fields) => Ok(Self {
                file: file.to_owned(),
                prefix: String::new(),
                fields,
            }),
            Err(error) => Err(ImportError::Content {
                file: file.to_owned(),
                reason: format!("not a JSON object: {error}"),
            }),
        }
    }

    /// A field.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    /// Names of the existing fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let given = self.fields.iter().filter(|(_, value)| !value.is_null());
        given.map(|(name, _)| name.as_str())
    }

    /// The object in a field; an empty one if it is absent.
    pub fn section(&self, field: &str) -> Result<Self, ImportError> {
        let fields = match self.get(field) {
            None => Map::new(),
            Some(Value::Object(fields)) => fields.clone(),
            Some(other) => return Err(self.not(field, other, "an object")),
        };
        Ok(Self {
            file: self.file.clone(),
            prefix: format!("{}{field}.", self.prefix),
            fields,
        })
    }

    /// A string field.
    pub fn text(&self, field: &str) -> Result<Option<&str>, ImportError> {
        self.typed(field, "a text", Value::as_str)
    }

    /// `true` or `false`.
    pub fn flag(&self, field: &str) -> Result<Option<bool>, ImportError> {
        self.typed(field, "true or false", Value::as_bool)
    }

    /// A number field.
    pub fn number(&self, field: &str) -> Result<Option<f64>, ImportError> {
        self.typed(field, "a number", Value::as_f64)
    }

    /// A non-negative integer field.
    pub fn count(&self, field: &str) -> Result<Option<usize>, ImportError> {
        self.typed(field, "a whole number", as_count)
    }

    /// A field with a number for each of red, green and blue.
    pub fn colour(&self, field: &str) -> Result<Option<[f32; 3]>, ImportError> {
        self.typed(field, "a list of three numbers", |value| {
            let numbers: Option<Vec<f32>> = value
                .as_array()?
                .iter()
                .map(|number| number.as_f64().map(|number| number as f32))
                .collect();
            numbers?.try_into().ok()
        })
    }

    /// An error about a field's value or its absence.
    pub fn refuse(&self, field: &str, reason: impl Into<String>) -> ImportError {
        ImportError::Refused {
            file: self.file.clone(),
            field: format!("{}{field}", self.prefix),
            reason: reason.into(),
        }
    }

    /// An error about a missing field.
    pub fn missing(&self, field: &str) -> ImportError {
        self.refuse(field, "is missing")
    }

    fn typed<'a, T>(
        &'a self,
        field: &str,
        wanted: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ImportError> {
        match self.get(field) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(self.not(field, value, wanted)),
            },
        }
    }

    fn not(&self, field: &str, value: &Value, wanted: &str) -> ImportError {
        let mut shown = value.to_string();
        if let Some((end, _)) = shown.char_indices().nth(80) {
            shown.truncate(end);
            shown.push('…');
        }
        self.refuse(field, format!("{shown} is not {wanted}"))
    }
}

/// A non-negative integer.
pub fn as_count(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}
