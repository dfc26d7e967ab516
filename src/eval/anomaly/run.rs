//! Runs all categories, numbers of references and seeds, from files to the report.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use fastrand::Rng;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::category::{Compared, compare, read};
use super::measured::{ALLOWED, CategoryResult, Tested, by_class, measure};
use super::set::{AnomalySet, Category};
use super::sheet::Sheet;
use crate::bundle::sha256;
use crate::engine::Model;
use crate::eval::bootstrap::Resampling;
use crate::eval::report::{SCHEMA_VERSION, metrics};
use crate::eval::scoring::{MetricSpec, by_group};
use crate::eval::{Broken, ModelOfReport, Outcome, Over, Report, Rules, ScoredItem};
use crate::inspection::metrics::quantile;

/// How references are chosen.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Numbers of references.
    pub shots: Vec<usize>,
    /// Number of seeds: each chooses other references. Fewer references are among more of the same seed.
    pub seeds: u64,
    /// The resolution at which pictures are compared; the model's own by default.
    pub resolution: Option<u32>,
}

/// Compares the test images of all categories with references, and measures.
///
/// # Errors
/// If references cannot be learnt, if the engine fails, or if nothing could be scored.
pub async fn run(
    model: &Arc<Model>,
    set: &AnomalySet,
    choice: &Choice,
    rules: &Rules,
    progress: &ProgressBar,
) -> anyhow::Result<(Report, Sheet)> {
    let mut found = Found::default();
    for category in &set.categories {
        for seed in 0..choice.seeds {
            for shots in &choice.shots {
                let references = chosen(category, *shots, seed)?;
                let resolution = choice.resolution;
                let done = || progress.inc(1);
                let compared = compare(model, category, &references, resolution, done).await?;
                found.add(set, category, (*shots, seed), &compared);
                let is_last = Some(shots) == choice.shots.last() && seed + 1 == choice.seeds;
                if is_last {
                    found.sheet.add(model, category, &compared).await?;
                }
            }
        }
    }
    found.report(model, set, choice, rules)
}

/// Some good images, in an order that the seed sets.
fn chosen(category: &Category, shots: usize, seed: u64) -> anyhow::Result<Vec<&Path>> {
    if shots > category.good.len() {
        bail!(
            "category {} has {} good images to learn from, not {shots}",
            category.name,
            category.good.len()
        );
    }
    let mut files: Vec<&Path> = category.good.iter().map(|file| file.as_path()).collect();
    Rng::with_seed(seed).shuffle(&mut files);
    files.truncate(shots);
    Ok(files)
}

#[derive(Default)]
struct Found {
    items: Vec<ScoredItem>,
    results: Vec<CategoryResult>,
    broken: Vec<Broken>,
    sheet: Sheet,
}

impl Found {
    fn add(
        &mut self,
        set: &AnomalySet,
        category: &Category,
        choice: (usize, u64),
        compared: &Compared,
    ) {
        let result = measure(category, choice, &compared.tested, &compared.pixels);
        self.results.push(result);
        let items = items(&set.folder, category, choice, &compared.tested);
        self.items.extend(items);
        for broken in &compared.broken {
            if !self.broken.contains(broken) {
                self.broken.push(broken.clone());
            }
        }
    }

    fn report(
        self,
        model: &Arc<Model>,
        set: &AnomalySet,
        choice: &Choice,
        rules: &Rules,
    ) -> anyhow::Result<(Report, Sheet)> {
        if self.items.is_empty() {
            match self.broken.first() {
                Some(Broken { place, reason }) => {
                    bail!("nothing could be scored: {place}: {reason}")
                }
                None => bail!("the data has nothing to score"),
            }
        }
        let how = Resampling {
            resamples: rules.resamples,
            seed: rules.seed,
        };
        let shots: Vec<_> = choice.shots.iter().map(usize::to_string).collect();
        let options = BTreeMap::from([
            ("layout".to_owned(), set.layout.to_owned()),
            ("shots".to_owned(), shots.join(",")),
            ("seeds".to_owned(), choice.seeds.to_string()),
        ]);
        let images: usize = set.categories.iter().map(|one| one.test.len()).sum();
        let report = Report {
            schema_version: SCHEMA_VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            benchmark: "anomaly".to_owned(),
            model: ModelOfReport {
                name: model.name().to_owned(),
                precision: model.precision().to_owned(),
                manifest_sha256: sha256(&model.bundle().root().join("bundle.json"))?,
                context_length: model.manifest().text.context_length,
            },
            data_fingerprint: fingerprint(set, &options),
            options,
            records: images,
            scored: images.saturating_sub(self.broken.len()),
            texts: 0,
            truncated_texts: 0,
            images,
            resamples: how.resamples,
            seed: how.seed,
            confidence: Report::confidence(),
            metrics: metrics(&specs(choice, &self.items), &self.items, how),
            lengths: Vec::new(),
            anomaly: self.results,
            broken: self.broken,
            items: self.items,
        };
        Ok((report, self.sheet))
    }
}

/// AUROC as a share of pairs: of the good images, those that a defective one is above; ties count a half. The items are the
/// defective images of each choice of references. PG2 and PB2 ask one question about each good or defective image.
fn items(
    folder: &Path,
    category: &Category,
    (shots, seed): (usize, u64),
    tested: &[Tested],
) -> Vec<ScoredItem> {
    let [ok, ng] = by_class(category, tested, |one| one.score);
    let (highest_ok, lowest_ng) = (quantile(&ok, 1.0 - ALLOWED), quantile(&ng, ALLOWED));
    let one = |tested: &Tested| {
        let image = category.test.get(tested.index)?;
        let score = tested.score;
        let mut outcomes = BTreeMap::new();
        if image.defect.is_some() {
            let below = ok.iter().map(|other| match other.total_cmp(&score) {
                std::cmp::Ordering::Less => 2,
                std::cmp::Ordering::Equal => 1,
                std::cmp::Ordering::Greater => 0,
            });
            let pairs = Outcome {
                right: below.sum(),
                of: 2 * u32::try_from(ok.len()).unwrap_or(u32::MAX / 2),
            };
            outcomes.insert(format!("auroc@{shots}"), pairs);
            let found = highest_ok.is_some_and(|highest| score > highest);
            outcomes.insert(format!("pb2@{shots}"), found.into());
        } else {
            let passes = lowest_ng.is_some_and(|lowest| score < lowest);
            outcomes.insert(format!("pg2@{shots}"), passes.into());
        }
        let file = image.file.strip_prefix(folder).unwrap_or(&image.file);
        Some(ScoredItem {
            id: format!("{}, {shots} references, seed {seed}", file.display()),
            group: category.name.clone(),
            outcomes,
        })
    };
    tested.iter().filter_map(one).collect()
}

/// The plain mean of categories is the headline; each category stands below it.
fn specs(choice: &Choice, items: &[ScoredItem]) -> Vec<MetricSpec> {
    let mut all = Vec::new();
    for shots in &choice.shots {
        let name = format!("auroc@{shots}");
        all.push(MetricSpec::headline(&name, &name, Over::Groups));
        all.extend(by_group(&name, &name, items));
        for name in [format!("pg2@{shots}"), format!("pb2@{shots}")] {
            all.push(MetricSpec::new(name.clone(), &name, Over::Groups));
        }
    }
    all
}

/// Over the images and masks of the categories, and over what is asked.
fn fingerprint(set: &AnomalySet, options: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for (name, value) in options {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    for category in &set.categories {
        add(category.name.as_bytes());
        let good = category.good.iter();
        let test = category.test.iter().flat_map(|image| {
            std::iter::once(&image.file).chain(image.masks.iter().map(|mask| &mask.file))
        });
        for file in good.chain(test) {
            // A file that cannot be read is named among the broken ones.
            add(&read(file).unwrap_or_default());
        }
    }
    format!("{:x}", hash.finalize())
}
