//! Lists of images in the requests of lines.

use crate::api::ApiError;
use crate::api::rest::item_list::{Entry, EntryList};
use crate::engine::ImageSource;
use crate::error_code::Code;

/// The images of a list.
///
/// # Errors
/// 400 `invalid_request` for a text.
pub fn images_of(field: &str, list: EntryList) -> Result<Vec<ImageSource>, ApiError> {
    let one = |(i, entry): (usize, Entry)| match entry {
        Entry::Plain(image) | Entry::Image(image) => Ok(ImageSource::Base64(image)),
        Entry::Text(_) => {
            let message = "expected an image, found a text";
            Err(ApiError::new(Code::InvalidRequest, message).at(format!("{field}[{i}]")))
        }
    };
    list.0.into_iter().enumerate().map(one).collect()
}
