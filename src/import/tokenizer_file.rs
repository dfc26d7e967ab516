//! `tokenizer.json`, read with the `tokenizers` library.

use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::error::ImportError;

/// Its name in the layout and in a bundle.
pub const FILE: &str = "tokenizer.json";

/// A tokenizer from the content of its file.
pub fn parse(bytes: &[u8]) -> Result<Tokenizer, ImportError> {
    Tokenizer::from_bytes(bytes).map_err(unusable)
}

/// The error of the `tokenizers` library.
pub fn unusable(error: tokenizers::Error) -> ImportError {
    ImportError::Content {
        file: FILE.to_owned(),
        reason: error.to_string(),
    }
}

/// A tokenizer without the steps that the server does itself: special tokens, truncation, padding.
pub fn without_extras(mut file: Value) -> Value {
    for field in ["truncation", "padding", "post_processor"] {
        file[field] = json!(null);
    }
    file
}
