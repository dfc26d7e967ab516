//! Checks of a tensor's shape before any of its values is read.

use super::check_items;
use crate::api::ApiError;
use crate::error_code::Code;

/// How many values a tensor has by its shape: more need not be read.
///
/// # Errors
/// 400 with the tensor's name for a shape that is none, or one with more than `most_items` images or texts.
pub fn values_of(
    name: &str,
    datatype: &str,
    shape: &[i64],
    most_items: usize,
) -> Result<usize, ApiError> {
    let Some(values) = product(shape) else {
        let message = format!(
            "{:.100} is no shape",
            format!("{:?}", &shape[..shape.len().min(20)])
        );
        return Err(ApiError::new(Code::InvalidRequest, message).at(name));
    };
    // A value of BYTES is an item; of other types, a row is.
    let items = match datatype {
        "BYTES" => values,
        _ => rows(shape),
    };
    check_items(items, most_items).map_err(|error| error.at(name))?;
    Ok(values)
}

/// The first side.
pub fn rows(shape: &[i64]) -> usize {
    let first = shape.first().map(|rows| usize::try_from(*rows).ok());
    first.flatten().unwrap_or(0)
}

/// All sides multiplied; `None` if one is negative, or it is beyond all numbers.
pub fn product(shape: &[i64]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, side| {
        product.checked_mul(usize::try_from(*side).ok()?)
    })
}
