//! The gate between a candidate and the model that a line has.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::ResamplingArguments;
use crate::cli::embed::progress_bar;
use crate::cli::{block_on, load};
use crate::dataset::pipeline;
use crate::engine::EngineSettings;
use crate::eval::gate::{EvalSet, GateTerms, OfSet, Role, compare_set, judge, write_page};
use crate::eval::{Report, Rules, compare};
use crate::terminal::unless_pipe_closed;

/// Bytes of embeddings that are kept, of images and of texts: some hundred thousand.
const CACHE_BYTES: u64 = 512 << 20;

/// The exit status if nothing can be said about the candidate.
const UNUSABLE: u8 = 2;

#[derive(Debug, Args)]
#[command(
    after_help = "The rules: on the line's test pairs the candidate is right both ways on more pairs than the baseline, and there are at \
    least --least-pairs of them. On every set no headline metric (marked *) is lower by more than --margin points (of the line's pairs: where p is below \
    0.05), and none of a group by more than --group-margin points where p times the number of groups is below 0.05: a mean that stays can hide a \
    group that falls, and among many groups some fall by chance.\n\
    DIR gets gate.html with pictures of what got better and worse, gate.json, and the results as `eval compare` reads them, in before/ \
    and after/.\n\
    Exit status: 0 passed, 1 refused, 2 it could not be done."
)]
pub struct GateArguments {
    /// Folder of the bundle that is in use
    #[arg(long, value_name = "BUNDLE")]
    baseline: PathBuf,
    /// Folder of the bundle that may take its place
    #[arg(long, value_name = "BUNDLE")]
    candidate: PathBuf,
    /// The line's test pairs: test.parquet of `clip-in line export`
    #[arg(long, value_name = "PATH")]
    pairs: PathBuf,
    /// Pairs on which the candidate must not be worse: Parquet with UltraEdit's columns, or a folder of it; may be repeated
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    protected: Vec<PathBuf>,
    /// Folder of the report
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Points by which a headline metric may be lower
    #[arg(long, value_name = "POINTS", default_value_t = 0.5)]
    margin: f64,
    /// Points by which a group may be lower; more are a reason to refuse if they are significant
    #[arg(long, value_name = "POINTS", default_value_t = 3.0)]
    group_margin: f64,
    /// Pairs that the line's test set has, at least
    #[arg(long, value_name = "N", default_value_t = 20)]
    least_pairs: usize,
    /// Precision to run both at; auto selects as `serve` does
    #[arg(long, env = "CLIP_IN_PRECISION", default_value = "auto")]
    precision: String,
    #[command(flatten)]
    resampling: ResamplingArguments,
}

pub fn run(arguments: &GateArguments) -> ExitCode {
    match gate(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            message!("clip-in: {error:#}");
            ExitCode::from(UNUSABLE)
        }
    }
}

/// Whether the candidate passed.
fn gate(arguments: &GateArguments) -> anyhow::Result<bool> {
    let mut sets = vec![EvalSet::new(&arguments.pairs, Role::Line)];
    let protected = arguments.protected.iter();
    sets.extend(protected.map(|path| EvalSet::new(path, Role::Protected)));
    let out = &arguments.out;
    for folder in ["before", "after"] {
        let folder = out.join(folder);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let terms = GateTerms {
        margin: arguments.margin,
        group_margin: arguments.group_margin,
        least_pairs: arguments.least_pairs,
        resamples: arguments.resampling.resamples(),
        seed: arguments.resampling.seed,
    };
    let before = measured(&arguments.baseline, &sets, arguments)?;
    let after = measured(&arguments.candidate, &sets, arguments)?;
    keep(&before, &out.join("before"))?;
    keep(&after, &out.join("after"))?;
    let both = sets.iter().zip(before.iter().zip(&after));
    let compared = both.map(|(set, (before, after))| {
        let both = [before.as_slice(), after.as_slice()];
        compare_set(set, both, &terms, out)
    });
    let compared: Vec<OfSet> = compared.collect::<anyhow::Result<_>>()?;
    let refusals = judge(&compared, &terms);
    let page = out.join("gate.html");
    write_page(&page, &compared, &refusals, &terms)?;
    let of_sets = compared.iter().map(|set| {
        let role = match set.role {
            Role::Line => "line",
            Role::Protected => "protected",
        };
        json!({"set": set.name, "role": role, "benchmarks": set.compared})
    });
    let summary = json!({
        "passed": refusals.is_empty(),
        "refusals": refusals,
        "sets": of_sets.collect::<Vec<_>>(),
    });
    let file = out.join("gate.json");
    std::fs::write(&file, serde_json::to_string_pretty(&summary)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    for set in &compared {
        let table = compare::metrics_table(&set.compared);
        unless_pipe_closed(print_out!("{}:\n{table}", set.name))?;
    }
    for refusal in &refusals {
        message!(
            "refused: {} ({}): {}",
            refusal.rule,
            refusal.set,
            refusal.reason
        );
    }
    let verdict = if refusals.is_empty() {
        "passed"
    } else {
        "refused"
    };
    message!("{verdict}; {} shows it", page.display());
    Ok(refusals.is_empty())
}

/// The results of a model on all sets.
fn measured(
    bundle: &Path,
    sets: &[EvalSet],
    arguments: &GateArguments,
) -> anyhow::Result<Vec<Vec<Report>>> {
    // Several benchmarks ask about the same images and texts.
    let mut settings = EngineSettings {
        text_cache_bytes: CACHE_BYTES,
        image_cache_bytes: CACHE_BYTES,
        ..EngineSettings::default()
    };
    settings.queue_capacity = settings.queue_capacity.max(pipeline::at_a_time(&settings));
    let rules = Rules {
        resamples: arguments.resampling.resamples(),
        seed: arguments.resampling.seed,
        lengths: Vec::new(),
    };
    let model = load(bundle, &arguments.precision, &settings)?;
    let mut all = Vec::new();
    for set in sets {
        let mut reports = Vec::new();
        for dataset in set.benchmarks()? {
            let progress = progress_bar(|| Some(dataset.embeddings() as u64));
            let run = crate::eval::run(&model, &settings, dataset, &rules, &progress);
            let report = block_on(run)?;
            progress.finish_and_clear();
            reports.push(report.with_context(|| set.name.clone())?);
        }
        all.push(reports);
    }
    model.stop();
    Ok(all)
}

/// Writes results as `eval compare` reads them.
fn keep(results: &[Vec<Report>], folder: &Path) -> anyhow::Result<()> {
    for (number, reports) in results.iter().enumerate() {
        for report in reports {
            let captions = report.options.get("captions").map_or("", String::as_str);
            let name = format!("{number}-{}-{captions}.json", report.benchmark);
            report.write(&folder.join(name))?;
        }
    }
    Ok(())
}
