//! Parquet of edit pairs that a gate asks both models about.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::dataset::parquet::Holds;
use crate::eval::pairs::{self, Captions};
use crate::eval::{Dataset, changes};

/// Statements of other pairs that the true one stands among.
const OTHERS: usize = 8;

/// What a set is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The line's own test pairs, on which a candidate must be better.
    Line,
    /// What must not become worse.
    Protected,
}

/// A set of pairs.
#[derive(Debug)]
pub struct EvalSet {
    /// Its path, as it was given.
    pub name: String,
    /// Parquet, or a folder of it.
    pub path: PathBuf,
    /// What it is for.
    pub role: Role,
}

impl EvalSet {
    /// A set.
    pub fn new(path: &Path, role: Role) -> Self {
        Self {
            name: path.display().to_string(),
            path: path.to_owned(),
            role,
        }
    }

    /// What can be asked about it: pairs with their captions, short and long, and which statement about a change is true.
    /// The last one needs statements, or pairs that say different things.
    ///
    /// # Errors
    /// If the set cannot be read.
    pub fn benchmarks(&self) -> anyhow::Result<Vec<Dataset>> {
        let named = || self.name.clone();
        let table = pairs::table(&self.path).with_context(named)?;
        let has = |captions: Captions| {
            let mut columns = captions.columns().into_iter();
            columns.all(|column| table.has(column, Holds::Texts))
        };
        let (short, long) = (has(Captions::Short), has(Captions::Long));
        let with_statements = table.has("statements", Holds::Texts);
        drop(table);
        let mut all = Vec::new();
        for (captions, there) in [(Captions::Short, short), (Captions::Long, long)] {
            if there {
                all.push(pairs::open(&self.path, captions).with_context(named)?);
            }
        }
        if short || with_statements {
            let changes = changes::open(&self.path, Captions::Short, OTHERS).with_context(named)?;
            // Pairs of one kind of change, with one caption, have no statement to choose from.
            if changes.broken.len() < changes.records {
                all.push(changes);
            }
        }
        if all.is_empty() {
            bail!(
                "{} has neither source_caption and target_caption nor statements",
                self.name
            );
        }
        Ok(all)
    }
}
