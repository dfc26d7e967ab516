//! What commands print. The standard library's `println!` and `eprintln!` panic if the reader has gone (`clip-in … | head`) or
//! the disk is full; Clippy forbids both in this program.

use std::fmt;
use std::io::{self, Write as _};

/// Standard output cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub struct OutputError(#[from] io::Error);

impl OutputError {
    /// Whether the reader closed the pipe, as `head` does once it has its lines. Nobody needs a message about that.
    pub fn is_closed_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Writes to standard output: what `print_out!` calls.
///
/// # Errors
/// The output is closed or full.
pub fn write_output(text: fmt::Arguments<'_>) -> Result<(), OutputError> {
    Ok(io::stdout().lock().write_fmt(text)?)
}

/// Success if only the reader has gone: for a command whose files and exit status matter without what it prints.
///
/// # Errors
/// The output is full, or cannot be written for another reason.
pub fn unless_pipe_closed(written: Result<(), OutputError>) -> Result<(), OutputError> {
    written.or_else(|error| match error.is_closed_pipe() {
        true => Ok(()),
        false => Err(error),
    })
}

/// Writes a line to standard error: what `message!` calls. A closed one is no reason to stop.
pub fn write_message(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// `print!` that returns an [`OutputError`](crate::terminal::OutputError).
macro_rules! print_out {
    ($($part:tt)*) => { $crate::terminal::write_output(format_args!($($part)*)) };
}

/// `println!` that returns an [`OutputError`](crate::terminal::OutputError).
macro_rules! print_line {
    () => { print_out!("\n") };
    ($($part:tt)*) => { print_out!("{}\n", format_args!($($part)*)) };
}

/// `eprintln!` that never panics.
macro_rules! message {
    ($($part:tt)*) => { $crate::terminal::write_message(format_args!($($part)*)) };
}
