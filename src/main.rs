//! The `clip-in` program: arguments → one command.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    clip_in::cli::run(clip_in::cli::Arguments::parse())
}
