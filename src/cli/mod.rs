//! The command line: a file a subcommand.

mod audit;
pub(crate) mod embed;
mod eval;
mod import;
mod measure;
mod model;
mod score;
mod serve;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::engine::{CpuPool, EngineSettings, Model};
use crate::telemetry::Metrics;

/// Image and text encoders that see small differences: similarity scores and embeddings
#[derive(Debug, Parser)]
#[command(name = "clip-in", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a model over HTTP
    Serve(Box<crate::config::ServeSettings>),
    /// Score one image against texts
    Score(score::ScoreArguments),
    /// Embed images and texts of folders, files, Parquet and tars into a Parquet file
    Embed(embed::EmbedArguments),
    /// Find what is wrong with a training set before it is trained on
    Audit(audit::AuditArguments),
    /// Run benchmarks on a model, and compare their results
    #[command(subcommand)]
    Eval(eval::EvalCommand),
    /// Look at a bundle, check it, or make one of a model on the Hub
    #[command(subcommand)]
    Model(model::ModelCommand),
}

/// Runs a command. Exit status: 0 done, 1 failed, 2 wrong arguments.
pub fn run(arguments: Arguments) -> ExitCode {
    let result = match arguments.command {
        Command::Serve(settings) => serve::run(&settings),
        Command::Score(arguments) => score::run(&arguments),
        Command::Embed(arguments) => embed::run(&arguments),
        Command::Audit(arguments) => return audit::run(&arguments),
        Command::Model(command) => model::run(&command),
        Command::Eval(command) => match eval::run(&command) {
            Ok(status) => return status,
            Err(error) => Err(error),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("clip-in: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A model for a command that is not a server.
fn load(path: &Path, precision: &str, settings: &EngineSettings) -> anyhow::Result<Arc<Model>> {
    let metrics = Arc::new(Metrics::new()?);
    let pool = CpuPool::new(num_cpus::get(), metrics.clone())?;
    Ok(Model::load(path, precision, settings, pool, metrics)?)
}

/// Runs a future to its end.
fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(future))
}
