//! The numbers of an export: `pairs.json`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::selection::{Good, Selection};
use super::split::Split;
use super::table::Gone;

/// What was exported.
#[derive(Debug, Serialize)]
pub struct Summary {
    line: String,
    /// Number of pairs.
    pairs: usize,
    splits: BTreeMap<&'static str, OfSplit>,
    /// Pairs of each kind of defect in each split.
    kinds: BTreeMap<String, BTreeMap<&'static str, usize>>,
    /// Corrections that are in no pair, by reason.
    left_out: BTreeMap<String, usize>,
}

#[derive(Debug, Default, Serialize)]
struct OfSplit {
    pairs: usize,
    /// Pairs whose good part is one that a person found OK, and not the reference.
    with_ok_parts: usize,
    file: String,
    sha256: String,
}

impl Summary {
    /// Of a selection of which nothing is written yet.
    pub fn new(line: &str, selected: &Selection) -> Self {
        Self {
            line: line.to_owned(),
            pairs: 0,
            splits: BTreeMap::new(),
            kinds: BTreeMap::new(),
            left_out: selected.left_out.clone(),
        }
    }

    /// Notes a file, and which images were gone when it was written.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn written(
        &mut self,
        split: Split,
        selected: &Selection,
        file: &Path,
        gone: &Gone,
    ) -> anyhow::Result<()> {
        let mut digest = Sha256::new();
        let mut opened =
            File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        std::io::copy(&mut opened, &mut digest)?;
        let digest = digest.finalize();
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}"));
        let mut of_split = OfSplit {
            file: split.file(),
            sha256: sha256.collect(),
            ..OfSplit::default()
        };
        for pair in selected.of(split).filter(|pair| !gone.contains(&pair.id())) {
            of_split.pairs += 1;
            of_split.with_ok_parts += usize::from(pair.good != Good::Reference);
            let kind = pair.captions.kind.as_deref();
            let kind = kind.unwrap_or(&pair.captions.target).to_owned();
            let of_kind = self.kinds.entry(kind).or_default();
            *of_kind.entry(split.name()).or_default() += 1;
        }
        self.pairs += of_split.pairs;
        self.splits.insert(split.name(), of_split);
        if !gone.is_empty() {
            *self
                .left_out
                .entry("images deleted".to_owned())
                .or_default() += gone.len();
        }
        Ok(())
    }
}

/// Why there is no pair, in words.
pub fn why_not(left_out: &BTreeMap<String, usize>) -> String {
    if left_out.is_empty() {
        return "nobody has found a part of this line OK or NG".to_owned();
    }
    let reasons = left_out
        .iter()
        .map(|(reason, count)| format!("{count} left out ({reason})"));
    reasons.collect::<Vec<_>>().join(", ")
}
