//! Compares two results on the same data: their difference, its significance, and whether it is permitted.

mod comparison;
mod difference;
mod table;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

pub use self::comparison::{Compared, Comparison, Difference, Terms};
use self::difference::difference;
pub use self::table::{metrics_table, table};
use super::report::Report;
use super::scoring::ScoredItem;
use super::table::listed;

/// Compares candidates with a baseline. Each is a result, or a folder of them.
///
/// # Errors
/// If a file is not a result, if the data differ, or if a protected benchmark is missing.
pub fn compare(
    baseline: &Path,
    candidates: &[PathBuf],
    terms: &Terms,
) -> anyhow::Result<Vec<Comparison>> {
    let first = read(baseline)?;
    if let Some(protect) = &terms.protect {
        let there: BTreeSet<_> = first.iter().map(|r| r.benchmark.as_str()).collect();
        if let Some(name) = protect.iter().find(|name| !there.contains(name.as_str())) {
            bail!(
                "{} has no result of {name}, which is protected",
                baseline.display()
            );
        }
    }
    let all = candidates.iter().map(|path| {
        let second = read(path)?;
        compare_reports(&first, &second, terms)
            .with_context(|| path.display().to_string())
            .map(|benchmarks| {
                let fell = |one: &Compared| one.metrics.values().any(|metric| metric.fell);
                Comparison {
                    candidate: path.display().to_string(),
                    fell: benchmarks.iter().any(fell),
                    benchmarks,
                }
            })
    });
    all.collect()
}

fn read(path: &Path) -> anyhow::Result<Vec<Report>> {
    if !path.is_dir() {
        return Ok(vec![Report::read(path)?]);
    }
    let failed = || format!("cannot read {}", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(failed)? {
        let file = entry.with_context(failed)?.path();
        if file.extension().is_some_and(|ending| ending == "json") {
            files.push(file);
        }
    }
    files.sort();
    let mut reports: Vec<Report> = Vec::new();
    for file in files {
        let report = Report::read(&file)?;
        if reports.iter().any(|other| same_data(other, &report)) {
            bail!(
                "{} has two results of {} on the same data",
                path.display(),
                report.benchmark
            );
        }
        reports.push(report);
    }
    if reports.is_empty() {
        bail!("{} contains no result", path.display());
    }
    Ok(reports)
}

fn same_data(a: &Report, b: &Report) -> bool {
    a.benchmark == b.benchmark && a.data_fingerprint == b.data_fingerprint
}

/// Compares the reports of two models.
///
/// # Errors
/// If the data differ, or if a protected benchmark is missing.
pub fn compare_reports(
    first: &[Report],
    second: &[Report],
    terms: &Terms,
) -> anyhow::Result<Vec<Compared>> {
    let mut found = Vec::new();
    for baseline in first {
        let name = &baseline.benchmark;
        let protect = terms.protect.as_ref();
        let protected = protect.is_none_or(|names| names.contains(name));
        let Some(candidate) = second.iter().find(|it| same_data(baseline, it)) else {
            if let Some(other) = second
                .iter()
                .find(|it| it.benchmark == *name && it.options == baseline.options)
            {
                bail!(
                    "{name}: the results are on different data ({} and {}), or with different options, so they cannot be compared",
                    short(&baseline.data_fingerprint),
                    short(&other.data_fingerprint)
                );
            }
            if protected {
                bail!(
                    "there is no result of {name}{} on the baseline's data, and it is protected",
                    listed(&baseline.options)
                );
            }
            continue;
        };
        found.push(one(baseline, candidate, protected, terms)?);
    }
    if found.is_empty() {
        bail!("the results have no benchmark in common");
    }
    Ok(found)
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..16).unwrap_or(fingerprint)
}

fn one(a: &Report, b: &Report, protected: bool, terms: &Terms) -> anyhow::Result<Compared> {
    let known: HashMap<&str, &ScoredItem> = b.items.iter().map(|i| (i.id.as_str(), i)).collect();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for item in &a.items {
        if let Some(other) = known.get(item.id.as_str()) {
            if other.group != item.group {
                bail!(
                    "{}: item {} is in two groups, {:?} and {:?}",
                    a.benchmark,
                    item.id,
                    item.group,
                    other.group
                );
            }
            first.push(item.clone());
            second.push((*other).clone());
        }
    }
    if first.is_empty() {
        bail!("{}: no item is in both results", a.benchmark);
    }
    let mut metrics = BTreeMap::new();
    for (name, metric) in &a.metrics {
        // Only items for which both have the outcome, with the same number of questions.
        let (x, y) = both(&first, &second, &metric.outcome);
        if let Some(mut difference) = difference(metric, &x, &y, terms) {
            difference.fell = protected && metric.headline && difference.difference < -terms.margin;
            metrics.insert(name.clone(), difference);
        } else if protected && metric.headline {
            bail!("{}: the candidate has no result of {name}", a.benchmark);
        }
    }
    let named = |report: &Report| format!("{} ({})", report.model.name, report.model.precision);
    Ok(Compared {
        benchmark: a.benchmark.clone(),
        options: a.options.clone(),
        data_fingerprint: a.data_fingerprint.clone(),
        baseline: named(a),
        candidate: named(b),
        protected,
        paired: first.len(),
        unpaired: a.items.len() + b.items.len() - 2 * first.len(),
        metrics,
    })
}

/// The items for which both have the outcome.
fn both(
    first: &[ScoredItem],
    second: &[ScoredItem],
    outcome: &str,
) -> (Vec<ScoredItem>, Vec<ScoredItem>) {
    let has = |item: &ScoredItem| item.outcomes.contains_key(outcome);
    let pairs = first.iter().zip(second).filter(|(a, b)| has(a) && has(b));
    pairs.map(|(a, b)| (a.clone(), b.clone())).unzip()
}
