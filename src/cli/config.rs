//! `clip-in config print|check|reference`

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::config::{Problem, Problems, SettingsFile, command, defaults, effective, reference};
use crate::server::Checked;

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the effective settings of `serve`, and the source of each
    Print {
        /// TOML file with settings
        #[arg(long, env = "CLIP_IN_CONFIG", value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print a file with every setting, commented, at its default instead
        #[arg(long)]
        defaults: bool,
    },
    /// Check a settings file: print `ok`, or all errors in it (exit status 1). The files of keys and certificates that it
    /// names are read too; models are not opened. Only secrets are taken from the environment
    Check {
        /// TOML file with settings
        file: PathBuf,
    },
    /// Print the reference of all settings as Markdown
    Reference,
}

pub fn run(command: &ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Print { defaults: true, .. } => print(&defaults()),
        ConfigCommand::Print { config, .. } => print_effective(config.as_deref()),
        ConfigCommand::Check { file } => check(file),
        ConfigCommand::Reference => print(&reference()),
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(print_out!("{text}")?)
}

fn print_effective(path: Option<&Path>) -> anyhow::Result<()> {
    let file = path.map(SettingsFile::open).transpose()?;
    let command = match &file {
        Some(file) => file.as_defaults(command()),
        None => command(),
    };
    let matches = command
        .try_get_matches_from([""; 0])
        .unwrap_or_else(|error| error.exit());
    print(&effective(&matches, file.as_ref()))
}

fn check(path: &Path) -> anyhow::Result<()> {
    let (file, mut problems) = SettingsFile::examine(path);
    let settings = file.alone()?;
    let refusals = Checked::new(&settings).err().unwrap_or_default();
    for refusal in refusals {
        // The file itself is wrong; its wrong values are reported already.
        let set = |key: &&&str| file.line_of(key).is_some();
        let key = refusal.keys.iter().find(set).or(refusal.keys.first());
        let named = problems.iter().any(|problem| {
            let place = problem.place.as_deref().unwrap_or_default();
            refusal
                .keys
                .iter()
                .any(|key| place.ends_with(&format!(" {key}")))
        });
        if let Some(key) = key.filter(|_| !named) {
            let reason = refusal.error.to_string();
            problems.push(Problem::of_key(file.line_of(key), key, reason));
        }
    }
    if problems.is_empty() {
        return print(&format!("{}: ok\n", path.display()));
    }
    problems.sort_by_key(|problem| problem.line);
    let path = path.to_owned();
    Err(Problems { path, problems }.into())
}
