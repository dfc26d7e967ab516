//! The report as data, for `--json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::balance::SizeReport;
use super::edit_type::OTHER;
use super::findings::{Check, Example, Finding};
use super::gate::Verdict;
use super::lengths::{BINS, Lengths};
use super::quality::Range;
use super::set::Set;
use super::spread::Spread;
use super::swaps::ClassChanges;
use super::words::{Frequent, OneSided};
use crate::engine::Model;

/// Increases when a field is removed or changes its meaning.
const SCHEMA_VERSION: u32 = 1;

/// Number of frequent captions and words in the report.
const LISTED: usize = 20;

/// The report of an audit.
#[derive(Debug, Serialize)]
pub struct Report {
    pub schema_version: u32,
    pub model: ModelPart,
    pub thresholds: Thresholds,
    pub data: Part,
    pub against: Option<Part>,
    /// Results by check; a check that does not apply (no pairs, no --against) is absent.
    pub findings: BTreeMap<&'static str, Finding>,
    pub gate: Vec<Verdict>,
}

/// The model of the audit.
#[derive(Debug, Serialize)]
pub struct ModelPart {
    pub name: String,
    pub precision: String,
    pub embedding_dim: usize,
    pub context_length: usize,
}

/// The thresholds.
#[derive(Debug, Serialize)]
pub struct Thresholds {
    pub near: f32,
    pub unchanged: f32,
    pub swap_margin: f32,
}

/// Statistics of one data set.
#[derive(Debug, Serialize)]
pub struct Part {
    pub inputs: Vec<String>,
    pub records: usize,
    pub pairs: u64,
    pub images: usize,
    pub captions: u64,
    pub coverage: Option<Coverage>,
    pub caption_tokens: Tokens,
    /// Cosines between the two images of a pair.
    pub pair_similarity: Option<Spread>,
    /// For each image the cosine to the nearest image of another record; for `against`, to the nearest of the training set.
    pub nearest_other: Option<Spread>,
    /// Cosines of the swapped captions minus those of the correct ones, summed over a pair.
    pub swap_margin: Option<Spread>,
    pub one_sided_words: Vec<OneSided>,
    pub frequent_captions: Vec<Frequent>,
    pub sizes: SizeReport,
    /// Number of pairs whose two images differ in size.
    pub resized_pairs: u64,
    pub quality: Vec<Range>,
}

/// The kinds of edits.
#[derive(Debug, Serialize)]
pub struct Coverage {
    /// By the column `category`.
    pub by_category: BTreeMap<String, u64>,
    /// By the rule for captions and edit prompt.
    pub by_rule: BTreeMap<String, u64>,
    /// For each class of words: how many pairs swap them, and which words no pair swaps.
    pub by_word_class: BTreeMap<&'static str, ClassChanges>,
    /// Share of the changed captions to which no rule applies.
    pub not_placed: f64,
}

/// Lengths of captions in the model's tokens.
#[derive(Debug, Serialize)]
pub struct Tokens {
    /// Upper bounds of the bins; null means no bound.
    pub bins: Vec<Option<usize>>,
    pub short: Lengths,
    pub long: Lengths,
}

/// Builds a report; the gate is left empty.
pub fn report(
    model: &Model,
    train: &Set,
    against: Option<&Set>,
    inputs: (Vec<String>, Vec<String>),
) -> Report {
    let manifest = model.manifest();
    Report {
        schema_version: SCHEMA_VERSION,
        model: ModelPart {
            name: model.name().to_owned(),
            precision: model.precision().to_owned(),
            embedding_dim: manifest.embedding_dim,
            context_length: manifest.text.context_length,
        },
        thresholds: Thresholds {
            near: train.settings.near,
            unchanged: train.settings.unchanged,
            swap_margin: train.settings.swap_margin,
        },
        data: part(train, inputs.0),
        against: against.map(|set| part(set, inputs.1)),
        findings: findings(train, against),
        gate: Vec::new(),
    }
}

fn part(set: &Set, inputs: Vec<String>) -> Part {
    let by_rule = set.by_rule.counts();
    let ruled: u64 = by_rule.values().sum();
    let other = by_rule.get(OTHER).copied().unwrap_or(0);
    let coverage = (set.pairs > 0).then(|| Coverage {
        by_category: set.categories.counts(),
        by_rule,
        by_word_class: set.swaps.by_class(),
        not_placed: other as f64 / ruled.max(1) as f64,
    });
    Part {
        inputs,
        records: set.records(),
        pairs: set.pairs,
        images: set.images.bytes.len(),
        captions: set.caption_count,
        coverage,
        caption_tokens: Tokens {
            bins: BINS
                .iter()
                .map(|most| (*most != usize::MAX).then_some(*most))
                .collect(),
            short: set.short.clone(),
            long: set.long.clone(),
        },
        pair_similarity: Spread::of(set.pair_cosines.clone()),
        nearest_other: set.nearest_other.clone(),
        swap_margin: Spread::of(set.swap_margins.clone()),
        one_sided_words: set
            .sides
            .lopsided(set.pairs)
            .into_iter()
            .take(LISTED)
            .collect(),
        frequent_captions: set.repeated.most(LISTED),
        sizes: set.sizes.report(),
        resized_pairs: set.resized,
        quality: set.quality.known(),
    }
}

fn findings(train: &Set, against: Option<&Set>) -> BTreeMap<&'static str, Finding> {
    let images = |set: &Set| set.images.bytes.len() as u64;
    let all = Check::ALL.into_iter().filter_map(|check| {
        let mut found = train.findings.get(&check).cloned().unwrap_or_default();
        let of = match check {
            Check::Leak | Check::LeakCaptions => {
                let set = against?;
                found = set.findings.get(&check).cloned().unwrap_or_default();
                match check {
                    Check::Leak => images(set),
                    _ => set.caption_count,
                }
            }
            Check::Broken => {
                if let Some(other) = against.and_then(|set| set.findings.get(&check)) {
                    found.merge(other);
                }
                train.things + against.map_or(0, |set| set.things)
            }
            Check::LeftOut => {
                if let Some(other) = against.and_then(|set| set.findings.get(&check)) {
                    found.merge(other);
                }
                found.count + train.things + against.map_or(0, |set| set.things)
            }
            Check::Unchanged | Check::Swapped if train.pairs == 0 => return None,
            Check::Quality if train.quality.known().is_empty() => return None,
            Check::Unchanged | Check::Quality => train.pairs,
            Check::Swapped => train.swap_margins.len() as u64,
            Check::Duplicates | Check::NearDuplicates => images(train),
            Check::DuplicateCaptions => train.caption_count,
            Check::Truncated => train.short.captions + train.long.captions,
            Check::OneSided => {
                if train.pairs == 0 {
                    return None;
                }
                for word in train.sides.lopsided(train.pairs) {
                    found.note(&[], || Example {
                        at: word.word,
                        note: format!(
                            "only in the source caption of {} pairs, only in the target caption of {}",
                            word.source_only, word.target_only
                        ),
                        ..Example::default()
                    });
                }
                train.sides.len()
            }
        };
        Some((check.name(), found.of(of)))
    });
    all.collect()
}
