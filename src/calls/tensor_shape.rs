//! Checks a tensor's shape before its values are parsed.

use super::check_items;
use crate::api::ApiError;
use crate::error_code::Code;

/// The number of values of a tensor by its shape, which limits the parsing.
///
/// # Errors
/// 400 with the tensor's name for an invalid shape, or for one with more than `most_items` images or texts.
pub fn values_of(
    name: &str,
    datatype: &str,
    shape: &[i64],
    most_items: usize,
) -> Result<usize, ApiError> {
    let Some(values) = product(shape) else {
        let message = format!(
            "{:.100} is not a valid shape",
            format!("{:?}", &shape[..shape.len().min(20)])
        );
        return Err(ApiError::new(Code::InvalidRequest, message).at(name));
    };
    // For BYTES each value is an item; for other types, each row.
    let items = match datatype {
        "BYTES" => values,
        _ => rows(shape),
    };
    check_items(items, most_items).map_err(|error| error.at(name))?;
    Ok(values)
}

/// The first dimension.
pub fn rows(shape: &[i64]) -> usize {
    let first = shape.first().map(|rows| usize::try_from(*rows).ok());
    first.flatten().unwrap_or(0)
}

/// The product of all dimensions; `None` if one is negative or the product overflows.
pub fn product(shape: &[i64]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, side| {
        product.checked_mul(usize::try_from(*side).ok()?)
    })
}
