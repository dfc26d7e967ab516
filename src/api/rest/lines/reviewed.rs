//! Stored inspections in lists.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::value::RawValue;

use super::spliced::with_fields;
use crate::api::answer_size::{self, of_text};
use crate::api::{ApiError, AppState};
use crate::reviews::Inspection;

#[derive(Serialize)]
struct More {
    verdict: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disputed: Option<bool>,
}

/// Inspections as they were answered, each with its verdict.
///
/// # Errors
/// [`ApiError`] if the answer would be too large, or a stored text is not an object.
pub fn listed(state: &AppState, found: Vec<Inspection>) -> Result<Vec<Box<RawValue>>, ApiError> {
    with_more(state, found, |_| None)
}

/// As [`listed`], each with whether two models have decided it differently.
///
/// # Errors
/// As [`listed`].
pub fn listed_for_review(
    state: &AppState,
    found: Vec<Inspection>,
    disputed: &HashSet<String>,
) -> Result<Vec<Box<RawValue>>, ApiError> {
    with_more(state, found, |one| Some(disputed.contains(&one.id)))
}

fn with_more(
    state: &AppState,
    found: Vec<Inspection>,
    disputed: impl Fn(&Inspection) -> Option<bool>,
) -> Result<Vec<Box<RawValue>>, ApiError> {
    let bytes = found
        .iter()
        .map(|one| of_text(one.answer.len()) + of_text(64));
    answer_size::reserve(state, bytes.sum())?;
    let listed = found.into_iter().map(|one| {
        let more = More {
            disputed: disputed(&one),
            verdict: one.verdict,
        };
        with_fields(&one.answer, &more)
    });
    listed.collect()
}
