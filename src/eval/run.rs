//! Runs one benchmark on one model, from the data to the report.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::bail;
use sha2::{Digest, Sha256};

use super::bootstrap::Resampling;
use super::embedding::{Encoder, Images};
use super::report::{SCHEMA_VERSION, metrics};
use super::texts::Texts;
use super::{Broken, Dataset, ModelOfReport, Report, ScoredItem, Vectors, lengths};
use crate::bundle::{StatementsSide, sha256};
use crate::engine::{EngineSettings, Model};

/// Settings of an evaluation.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Number of resamples for an interval.
    pub resamples: usize,
    /// Seed of the resampling.
    pub seed: u64,
    /// Text lengths for additional scores, in tokens.
    pub lengths: Vec<usize>,
}

/// Embeds a benchmark's data and scores it.
///
/// # Errors
/// If the engine fails, or if nothing could be scored.
pub async fn run(
    model: &Arc<Model>,
    settings: &EngineSettings,
    dataset: Dataset,
    rules: &Rules,
    progress: &indicatif::ProgressBar,
) -> anyhow::Result<Report> {
    let Dataset {
        benchmark,
        options,
        texts,
        pictures,
        records,
        mut broken,
        scoring,
    } = dataset;
    let encoder = Encoder {
        model,
        settings,
        progress,
    };
    let embedded = encoder.texts(&texts).await?;
    let Images {
        embeddings,
        broken: broken_images,
        digests,
    } = encoder.images(Arc::new(pictures)).await?;
    broken.extend(embedded.broken);
    broken.extend(broken_images);
    let mut vectors = Vectors {
        images: embeddings,
        texts: embedded.embeddings,
        weights: model
            .manifest()
            .statements
            .as_ref()
            .map(StatementsSide::weights),
    };
    let scored = scoring.score(&vectors);
    if scored.items.is_empty() {
        match broken.first() {
            Some(Broken { place, reason }) => bail!("nothing could be scored: {place}: {reason}"),
            None => bail!("the data has nothing to score"),
        }
    }
    let how = Resampling {
        resamples: rules.resamples,
        seed: rules.seed,
    };
    let found = metrics(&scored.metrics, &scored.items, how);
    let headlines: Vec<_> = scored.metrics.iter().filter(|m| m.headline).collect();
    let lengths = lengths::run(
        &encoder,
        &texts,
        &mut vectors,
        scoring.as_ref(),
        &headlines,
        &rules.lengths,
        how,
    )
    .await?;
    Ok(Report {
        schema_version: SCHEMA_VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        benchmark: benchmark.to_owned(),
        model: ModelOfReport {
            name: model.name().to_owned(),
            precision: model.precision().to_owned(),
            manifest_sha256: sha256(&model.bundle().root().join("bundle.json"))?,
            context_length: model.manifest().text.context_length,
        },
        data_fingerprint: fingerprint(benchmark, &options, &texts, &digests, &scored.items),
        options,
        records,
        scored: scored.items.len(),
        texts: texts.len(),
        truncated_texts: embedded.truncated,
        images: digests.len(),
        broken,
        resamples: how.resamples,
        seed: how.seed,
        confidence: Report::confidence(),
        metrics: found,
        lengths,
        anomaly: Vec::new(),
        items: scored.items,
    })
}

/// Texts and images are in the order of the records, so the order also encodes their assignment.
fn fingerprint(
    benchmark: &str,
    options: &BTreeMap<String, String>,
    texts: &Texts,
    images: &[[u8; 32]],
    items: &[ScoredItem],
) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        // Lengths separate the texts.
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(benchmark);
    for (name, value) in options {
        add(name);
        add(value);
    }
    add("texts");
    texts.all().iter().for_each(|text| add(text));
    add("items");
    for item in items {
        add(&item.id);
        add(&item.group);
    }
    for image in images {
        hash.update(image);
    }
    format!("{:x}", hash.finalize())
}
