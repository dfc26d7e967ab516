//! The command line: one file per subcommand.

mod audit;
mod config;
pub(crate) mod embed;
mod eval;
mod image_arguments;
mod import;
mod line;
mod line_server;
mod measure;
mod model;
mod score;
mod serve;
mod watch;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::engine::{CpuPool, EngineSettings, Model};
use crate::server::ServeError;
use crate::telemetry::Metrics;
use crate::terminal::OutputError;

/// Image and text encoders for small differences: similarity scores and embeddings
#[derive(Debug, Parser)]
#[command(name = "clip-in", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a model over HTTP
    Serve(Box<serve::ServeArguments>),
    /// Print or check the settings of `serve`
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Compare one image with texts
    Score(score::ScoreArguments),
    /// Embed images and texts of folders, files, Parquet and tars into a Parquet file
    Embed(embed::EmbedArguments),
    /// Create, calibrate and use an inspection line of a running server
    #[command(subcommand)]
    Line(line::LineCommand),
    /// Have the images inspected that a camera writes into a folder
    Watch(Box<watch::WatchArguments>),
    /// Check a training set before training
    Audit(audit::AuditArguments),
    /// Run benchmarks on a model, and compare their results
    #[command(subcommand)]
    Eval(eval::EvalCommand),
    /// Inspect, verify, measure or import a bundle
    #[command(subcommand)]
    Model(model::ModelCommand),
}

/// Runs the command of these arguments; the first one is the program's name. Exit status: 0 if it is done, or if
/// the reader of its output has gone; 1 if it failed; 2 for wrong arguments or settings.
pub fn run(words: &[OsString]) -> ExitCode {
    let mut arguments = Arguments::parse_from(words);
    let file = match &arguments.command {
        Command::Serve(serve) => serve.config.clone(),
        _ => None,
    };
    if let Some(path) = file {
        match serve::with_file(words, &path) {
            Ok(with_file) => arguments = with_file,
            Err(problems) => {
                message!("clip-in: {problems}");
                return ExitCode::from(WRONG_ARGUMENTS);
            }
        }
    }
    let result = match arguments.command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Config(command) => config::run(&command),
        Command::Score(arguments) => score::run(&arguments),
        Command::Embed(arguments) => embed::run(&arguments),
        Command::Line(command) => line::run(&command),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Audit(arguments) => return audit::run(&arguments),
        Command::Model(command) => model::run(&command),
        Command::Eval(command) => match eval::run(&command) {
            Ok(status) => return status,
            Err(error) => Err(error),
        },
    };
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    if matches!(error.downcast_ref(), Some(error) if OutputError::is_closed_pipe(error)) {
        return ExitCode::SUCCESS;
    }
    message!("clip-in: {error:#}");
    match error.downcast_ref() {
        Some(ServeError::Settings(_)) => ExitCode::from(WRONG_ARGUMENTS),
        _ => ExitCode::FAILURE,
    }
}

/// The exit status of clap's own errors.
const WRONG_ARGUMENTS: u8 = 2;

/// A model for a command other than the server.
fn load(path: &Path, precision: &str, settings: &EngineSettings) -> anyhow::Result<Arc<Model>> {
    let metrics = Arc::new(Metrics::new()?);
    let pool = CpuPool::new(num_cpus::get(), metrics.clone())?;
    Ok(Model::load(path, precision, settings, pool, metrics)?)
}

/// Runs a future to completion.
fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(future))
}
