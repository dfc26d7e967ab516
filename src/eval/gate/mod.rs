//! The gate between a candidate and the model that a line has: is it better on the line's own test pairs, and as good on what
//! is protected?
//!
//! ```text
//! sets (line, protected) → pairs, changes on both models → compare → verdict → page (HTML) and pictures
//! ```

mod page;
mod pictures;
mod set;
mod verdict;

use std::path::Path;

use anyhow::Context as _;

pub use self::pictures::Shown;
pub use self::set::{EvalSet, Role};
pub use self::verdict::{GateTerms, Refusal, judge};
use super::compare::{Compared, Terms, compare_reports};
use super::report::Report;
use crate::whole_file;

/// The results of both models on one set.
#[derive(Debug)]
pub struct OfSet {
    /// The set's path, as it was given.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The comparisons, one for each benchmark that the set allows.
    pub compared: Vec<Compared>,
    /// Pairs on which the models differ.
    pub shown: Vec<Shown>,
}

/// Compares the reports of both models on one set, and writes the pictures of pairs on which they differ below `out`.
///
/// # Errors
/// If the reports cannot be compared, or if a picture cannot be written.
pub fn compare_set(
    set: &EvalSet,
    [baseline, candidate]: [&[Report]; 2],
    terms: &GateTerms,
    out: &Path,
) -> anyhow::Result<OfSet> {
    let compared = compare_reports(
        baseline,
        candidate,
        &Terms {
            protect: None,
            margin: terms.margin,
            resamples: terms.resamples,
            seed: terms.seed,
        },
    );
    let compared = compared.with_context(|| set.name.clone())?;
    Ok(OfSet {
        name: set.name.clone(),
        role: set.role,
        shown: pictures::write(set, baseline, candidate, out)?,
        compared,
    })
}

/// Writes the report as a page; its pictures are beside it.
///
/// # Errors
/// If it cannot be written.
pub fn write_page(
    path: &Path,
    sets: &[OfSet],
    refusals: &[Refusal],
    terms: &GateTerms,
) -> anyhow::Result<()> {
    let page = page::page(sets, refusals, terms);
    whole_file::replace(path, |mut file| {
        std::io::Write::write_all(&mut file, page.as_bytes())
    })
    .with_context(|| format!("cannot write {}", path.display()))
}
