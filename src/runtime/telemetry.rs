//! From version 1.29 on, ONNX Runtime sends telemetry about the models, on Linux too: it stores an identifier and a queue of
//! events below the home folder, and sends them unless an environment variable forbids it before the library is loaded. Its
//! `DisableTelemetryEvents` comes too late for that (`docs/Privacy.md` in its repository).

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variable that ONNX Runtime reads when its environment is created.
const VARIABLE: &str = "ORT_DISABLE_TELEMETRY";

/// Turns telemetry off: if the variable is not set, the program replaces itself (same process, same arguments) with the
/// variable set. Must be called first: a process cannot change its own environment safely, because other threads may read
/// it.
///
/// # Errors
/// If the program cannot be started again; ONNX Runtime must not be used then.
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
