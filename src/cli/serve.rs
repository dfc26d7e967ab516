//! `clip-in serve`

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, FromArgMatches};

use crate::config::{Problems, ServeSettings, SettingsFile};
use crate::telemetry::start_logging;

#[derive(Debug, Clone, Args)]
pub struct ServeArguments {
    /// TOML file with settings; flags and the environment have priority. `clip-in config print --defaults` prints one
    #[arg(long, env = "CLIP_IN_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub settings: ServeSettings,
}

/// The command line with the file's values as the defaults of the flags.
///
/// # Errors
/// All errors in the file.
pub fn with_file(words: &[OsString], path: &Path) -> Result<super::Arguments, Problems> {
    let file = SettingsFile::open(path)?;
    let command = super::Arguments::command();
    let command = command.mut_subcommand("serve", |serve| file.as_defaults(serve));
    let matches = command.get_matches_from(words);
    Ok(super::Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

pub fn run(arguments: &ServeArguments) -> anyhow::Result<()> {
    let settings = &arguments.settings;
    let _log = start_logging(settings.log_format, &settings.log);
    if let Some(file) = &arguments.config {
        tracing::info!(file = %file.display(), "settings read");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("http")
        .build()?;
    let result = runtime.block_on(crate::server::serve(settings));
    // Connections that are still open after the drain are closed here.
    runtime.shutdown_background();
    Ok(result?)
}
