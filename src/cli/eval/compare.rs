//! Compares results.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::{ResamplingArguments, make_folder_of};
use crate::eval::compare::{self, Terms};
use crate::terminal::unless_pipe_closed;

#[derive(Debug, Args)]
#[command(
    after_help = "The rule: the exit status is 1 if a headline metric (marked *) of a protected benchmark is lower in a candidate than in the \
    baseline by more than --margin points, both over the items that both scored. Intervals and p-values are there to judge it by, and \
    do not change it. 2: a file is no result, two results of a benchmark are on different data, or a protected benchmark is missing in \
    a candidate. 0: else.\n\
    Headline metrics: mmvp and pairs text_to_image, anomaly auroc, winoground group, sugarcrepe macro, zeroshot top1, retrieval recall at 1 both ways \
    (for short and for long captions).\n\
    p: McNemar's exact test where a metric is the share of items that are right, else paired bootstrap."
)]
pub struct CompareArguments {
    /// The baseline: a result, or a folder of them
    baseline: PathBuf,
    /// Candidates: results, or folders of them, each compared with the baseline
    #[arg(required = true)]
    candidates: Vec<PathBuf>,
    /// Benchmarks that must not become worse [default: all of the baseline]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    protect: Option<Vec<String>>,
    /// Points by which a headline metric may be lower
    #[arg(long, value_name = "POINTS", default_value_t = 1.0)]
    margin: f64,
    /// Write the comparison as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    resampling: ResamplingArguments,
}

/// Results that cannot be compared have their own status: a gate must take them neither for a regression nor for a pass.
pub fn run(arguments: &CompareArguments) -> ExitCode {
    let terms = Terms {
        protect: arguments.protect.clone(),
        margin: arguments.margin,
        resamples: arguments.resampling.resamples(),
        seed: arguments.resampling.seed,
    };
    let compared = compare::compare(&arguments.baseline, &arguments.candidates, &terms);
    let written = compared.and_then(|found| {
        if let Some(path) = &arguments.json {
            make_folder_of(path)?;
            let text = serde_json::to_string_pretty(&found)?;
            std::fs::write(path, text + "\n")
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        unless_pipe_closed(print_out!("{}", compare::table(&found, arguments.margin)))?;
        Ok(found)
    });
    match written {
        Err(error) => {
            message!("clip-in: {error:#}");
            ExitCode::from(2)
        }
        Ok(found) => ExitCode::from(u8::from(found.iter().any(|one| one.fell))),
    }
}
