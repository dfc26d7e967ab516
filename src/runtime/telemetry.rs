//! ONNX Runtime from 1.29 on sends telemetry about the models that run, on Linux too: it keeps an identifier and a queue of events
//! below the home folder, and sends them unless an environment variable forbids it before the library is loaded. Its
//! `DisableTelemetryEvents` comes too late for that (`docs/Privacy.md` of its repository).

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What ONNX Runtime looks at when its environment is made.
const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Forbids it: if the variable is not set, the program starts again in its own place (same process, same arguments) with it.
/// To be called before anything else: a process cannot change its own environment safely, as others may be reading it.
///
/// # Errors
/// If the program cannot be started again; then nothing that uses ONNX Runtime must be done.
pub fn forbid_telemetry() -> io::Result<()> {
    if env::var_os(VARIABLE).is_some_and(|value| value == "1") {
        return Ok(());
    }
    let mut words = env::args_os();
    let mut again = Command::new(env::current_exe()?);
    if let Some(name) = words.next() {
        again.arg0(name);
    }
    Err(again.args(words).env(VARIABLE, "1").exec())
}
