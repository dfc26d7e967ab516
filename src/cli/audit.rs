//! `clip-in audit`: checks a training set.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use clap::Args;

use super::embed::progress_bar;
use crate::audit::{
    Interrupted, Measurer, Report, Set, Settings, Source, Style, Threshold, find, leaked_near,
    near_duplicates, read_set, records_at_a_time, render, report, total, verdicts,
};
use crate::engine::{CpuPool, EngineSettings, Model};
use crate::telemetry::Metrics;
use crate::terminal::unless_pipe_closed;

/// Exit statuses other than 0.
const FAILED: u8 = 1;
const UNUSABLE: u8 = 2;
const INTERRUPTED: u8 = 130;

#[derive(Debug, Args)]
#[command(
    after_help = "DATA is Parquet (UltraEdit's columns, or image and caption), JSON lines (source_image, target_image, source_caption, \
    target_caption and, if there are, edit_prompt, category, …_caption_long; or image, caption, caption_long; files relative to the \
    .jsonl), webdataset tars, or a folder of images with .txt beside them. A row of Parquet is named FILE:ROW from 0, a line FILE:LINE from 1.\n\
    Exit status: 0 passed, 1 the gate failed, 2 it could not be done."
)]
pub struct AuditArguments {
    /// Files, folders or patterns of the training set
    #[arg(required = true)]
    data: Vec<String>,
    /// A set for evaluation, which must not overlap with the training set
    #[arg(long, value_name = "EVALDATA", num_args = 1..)]
    against: Vec<String>,
    /// Folder of the bundle
    #[arg(long, env = "CLIP_IN_MODEL", default_value = "models/demo")]
    model: PathBuf,
    /// Precision to run at; auto selects as `serve` does
    #[arg(long, env = "CLIP_IN_PRECISION", default_value = "auto")]
    precision: String,
    /// Read at most N records of each set
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Cosine from which images of two records are near duplicates
    // Measured on the demo data: among 8,000 images of 4,000 pairs, the nearest image of another pair is below 0.93. JPEGs
    // of quality 50 stay above 0.981 to their originals, pictures at three quarters of their size above 0.972 (99 % above
    // 0.981).
    #[arg(long, value_name = "COSINE", default_value_t = 0.98, value_parser = cosine)]
    near: f32,
    /// Cosine from which the two images of a pair count as unchanged
    // Measured on the demo data: a real edit (a scratch) reaches 0.9990, and the same picture as a JPEG of quality 95 has a
    // median of 0.9990. So no threshold separates the two completely; this one reports no real edit.
    #[arg(long, value_name = "COSINE", default_value_t = 0.9995, value_parser = cosine)]
    unchanged: f32,
    /// Minimum by which the swapped captions of a pair must fit better: a sum of two cosines
    // Measured on the demo data's 1,350 test pairs: none of the correct ones is reported, and 94 % of the swapped ones are
    // found (at 0.2: 61 %).
    #[arg(long, value_name = "MARGIN", default_value_t = 0.05, value_parser = cosine)]
    swap_margin: f32,
    /// Examples of each finding on the terminal and in Markdown; JSON contains up to 1000
    #[arg(long, value_name = "N", default_value_t = 5)]
    examples: usize,
    /// Write the report as Markdown too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the report as JSON too, with all details
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Findings that make the exit status 1, each with the number or share that is allowed (leak, unchanged=1%, duplicates=20):
    /// leak, leak-captions, broken, left-out, unchanged, swapped, duplicates, near-duplicates, duplicate-captions, truncated,
    /// one-sided, quality
    #[arg(
        long,
        value_name = "CHECK",
        value_delimiter = ',',
        default_value = "broken,leak"
    )]
    fail_on: Vec<Threshold>,
}

fn cosine(text: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|it| (-1.0..=4.0).contains(it));
    value.ok_or_else(|| format!("{text} is not a number from -1 to 1"))
}

pub fn run(arguments: &AuditArguments) -> ExitCode {
    match printed(arguments) {
        Ok(report) => {
            let failed: Vec<_> = report.gate.iter().filter(|it| !it.passed).collect();
            for verdict in &failed {
                message!("clip-in: {}: {}", verdict.check.name(), verdict.reason);
            }
            if failed.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(FAILED)
            }
        }
        Err(error) => {
            message!("clip-in: {error:#}");
            let interrupted = error.downcast_ref::<Interrupted>().is_some();
            ExitCode::from(if interrupted { INTERRUPTED } else { UNUSABLE })
        }
    }
}

fn printed(arguments: &AuditArguments) -> anyhow::Result<Report> {
    let report = audit(arguments)?;
    // Last, and a reader that has gone changes neither the files nor the exit status.
    unless_pipe_closed(print_out!(
        "{}",
        render(&report, Style::Plain, arguments.examples)
    ))?;
    Ok(report)
}

/// Audits, and writes the files that are asked for.
///
/// # Errors
/// It could not be done. A gate that failed is in the report.
pub fn audit(arguments: &AuditArguments) -> anyhow::Result<Report> {
    let sources = find(&arguments.data)?;
    let against = find(&arguments.against).context("--against")?;
    for file in [&arguments.json, &arguments.markdown].into_iter().flatten() {
        writable(file)?;
    }
    let mut settings = EngineSettings::default();
    let at_a_time = records_at_a_time(&settings);
    settings.queue_capacity = settings.queue_capacity.max(4 * at_a_time);
    let metrics = Arc::new(Metrics::new()?);
    let pool = CpuPool::new(num_cpus::get(), metrics.clone())?;
    let model = Model::load(
        &arguments.model,
        &arguments.precision,
        &settings,
        pool.clone(),
        metrics,
    )?;
    let measurer = Measurer::new(model.clone(), pool, settings.image_limits)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopping.store(true, Ordering::Relaxed);
        }
    });
    let lines = Settings {
        near: arguments.near,
        unchanged: arguments.unchanged,
        swap_margin: arguments.swap_margin,
        input: measurer.input_size(),
    };
    let read = |sources: Vec<Source>, train: Option<&Set>| {
        let mut set = Set::new(lines, model.manifest().embedding_dim);
        let progress = progress_bar(|| total(&sources, arguments.limit));
        let limit = arguments.limit;
        let how = (at_a_time, &progress, &*stop);
        runtime.block_on(read_set(&measurer, sources, limit, &mut set, train, how))?;
        progress.finish_and_clear();
        Ok::<_, anyhow::Error>(set)
    };
    let mut train = read(sources, None)?;
    if train.is_empty() {
        let first = train.findings.values().flat_map(|it| &it.examples).next();
        let why = first.map_or_else(String::new, |it| format!(", {}: {}", it.at, it.note));
        bail!("no data in {} can be read{why}", arguments.data.join(", "));
    }
    let mut held = match against.is_empty() {
        true => None,
        false => Some(read(against, Some(&train))?),
    };
    model.stop();
    near_duplicates(&mut train, &stop)?;
    if let Some(held) = &mut held {
        leaked_near(&train, held, &stop)?;
    }
    if stop.load(Ordering::Relaxed) {
        return Err(Interrupted.into());
    }
    let inputs = (arguments.data.clone(), arguments.against.clone());
    let mut report = report(&model, &train, held.as_ref(), inputs);
    report.gate = verdicts(&arguments.fail_on, |check| {
        report.findings.get(check.name())
    });
    if let Some(file) = &arguments.markdown {
        write(file, &render(&report, Style::Markdown, arguments.examples))?;
    }
    if let Some(file) = &arguments.json {
        write(file, &serde_json::to_string_pretty(&report)?)?;
    }
    Ok(report)
}

/// Creates the file's folder, as `eval` does. An unwritable file is reported before hours of work, not after them.
fn writable(file: &Path) -> anyhow::Result<()> {
    if file.is_dir() {
        bail!("cannot write {}: it is a folder", file.display());
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
