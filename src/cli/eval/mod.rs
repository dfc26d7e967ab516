//! `clip-in eval`: runs benchmarks on a bundle, and compares results.

mod anomaly;
mod benchmark;
mod compare;
mod gate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use self::anomaly::AnomalyArguments;
use self::benchmark::Benchmark;
use self::compare::CompareArguments;
use self::gate::GateArguments;
use crate::eval::{Report, Rules};
use crate::terminal::unless_pipe_closed;

#[derive(Debug, Subcommand)]
pub enum EvalCommand {
    #[command(flatten)]
    Benchmark(Benchmark),
    /// Few-shot anomaly detection: PATH is MVTec AD, AD 2 or LOCO, VisA, Real-IAD, or has a meta.json
    ///
    /// Good images of the training part are references, as for /v1/compare; nothing is set on defects. AUROC, PG2, PB2 and F1 over
    /// images, AU-PRO of the maps, and the time of a comparison. --plots writes the worst images with their maps, too.
    Anomaly(AnomalyArguments),
    /// Compare results on the same data: a baseline, and one or more candidates
    Compare(CompareArguments),
    /// Decide whether a fine-tuned model may take the place of the one that a line has
    Gate(Box<GateArguments>),
}

/// What every evaluation has: a model, data, and where its result goes.
#[derive(Debug, Args)]
pub struct Shared {
    /// Folder of the bundle
    #[arg(long, env = "CLIP_IN_MODEL", default_value = "models/demo")]
    model: PathBuf,
    /// Precision to run at; auto selects as `serve` does
    #[arg(long, env = "CLIP_IN_PRECISION", default_value = "auto")]
    precision: String,
    /// The benchmark's data
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Write the result as JSON, with the outcome of each item
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write plots of the result as SVG
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Percentage of the records that may be broken
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    max_broken: f64,
    #[command(flatten)]
    resampling: ResamplingArguments,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct ResamplingArguments {
    /// Number of resamples for an interval
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    resamples: u64,
    /// Seed of the resampling
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl ResamplingArguments {
    fn resamples(self) -> usize {
        usize::try_from(self.resamples).unwrap_or(usize::MAX)
    }
}

impl Shared {
    fn rules(&self, lengths: &[usize]) -> Rules {
        Rules {
            resamples: self.resampling.resamples(),
            seed: self.resampling.seed,
            lengths: lengths.to_vec(),
        }
    }

    /// Finds errors in the paths before the model is loaded.
    fn check_paths(&self) -> anyhow::Result<()> {
        let data = self.data.display();
        std::fs::metadata(&self.data).with_context(|| format!("cannot read {data}"))?;
        self.json.as_deref().map_or(Ok(()), make_folder_of)
    }

    /// Writes and prints the result. `more_plots` writes plots besides those of the metrics into a folder.
    fn finish(
        &self,
        report: &Report,
        more_plots: impl FnOnce(&Path) -> anyhow::Result<Option<PathBuf>>,
    ) -> anyhow::Result<ExitCode> {
        if let Some(path) = &self.json {
            report.write(path)?;
        }
        if let Some(folder) = &self.plots {
            let written = crate::eval::write_plots(report, folder)?.into_iter();
            for path in written.chain(more_plots(folder)?) {
                message!("wrote {}", path.display());
            }
        }
        // After the files, and a reader that has gone changes neither them nor the exit status.
        unless_pipe_closed(print_out!("{}", crate::eval::table(report)))?;
        let broken = report.broken_percent();
        if broken > self.max_broken {
            message!(
                "clip-in: {broken:.2} % of the records are broken, --max-broken allows {} %",
                self.max_broken
            );
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }
}

pub fn run(command: &EvalCommand) -> anyhow::Result<ExitCode> {
    match command {
        EvalCommand::Benchmark(benchmark) => benchmark::run(benchmark),
        EvalCommand::Anomaly(arguments) => anomaly::run(arguments),
        EvalCommand::Compare(arguments) => Ok(compare::run(arguments)),
        EvalCommand::Gate(arguments) => Ok(gate::run(arguments)),
    }
}

fn make_folder_of(file: &Path) -> anyhow::Result<()> {
    let Some(folder) = file.parent() else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}
