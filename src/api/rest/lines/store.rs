//! The store of inspections.

use crate::api::{ApiError, AppState};
use crate::lines::LineError;
use crate::reviews::{ReviewError, Reviews};

/// The store; without one there is no inspection.
pub fn reviews(state: &AppState) -> Result<&Reviews, ApiError> {
    let none = || LineError::from(ReviewError::NoInspection).into();
    state.lines.reviews().ok_or_else(none)
}
