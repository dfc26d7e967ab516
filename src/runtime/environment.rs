//! Environment variables that libraries read before any code of ours runs, or that they read only once.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::num::NonZero;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

/// ONNX Runtime from 1.29 on sends telemetry about the models that run, on Linux too: it keeps an identifier and a queue of events
/// below the home folder, and sends them unless this variable is 1 before the library is loaded. Its
/// `DisableTelemetryEvents` comes too late for that (`docs/Privacy.md` of its repository).
const NO_TELEMETRY: (&str, &str) = ("ORT_DISABLE_TELEMETRY", "1");

/// What allocators set aside: address space that is counted where it is limited (`ulimit -v`), although most of it is never used.
/// A value that is set already is left as it is.
///
/// - glibc, from which ONNX Runtime takes its memory: 64 MiB for each arena, and eight arenas for each core. One for each core is
///   as many as there are threads that compute at a time.
/// - mimalloc, from which everything else is taken: 1 GiB at a time.
fn small_reserves() -> [(&'static str, String); 2] {
    let cores = thread::available_parallelism().map_or(2, NonZero::get);
    [
        ("MALLOC_ARENA_MAX", cores.max(2).to_string()),
        ("MIMALLOC_ARENA_RESERVE", "64MiB".to_owned()),
    ]
}

/// Sets them: if one is missing, the program starts again in its own place (same process, same arguments) with all of them. To
/// be called before anything else: a process cannot change its own environment safely, as others may be reading it.
///
/// # Errors
/// If the program cannot be started again; then nothing that uses ONNX Runtime must be done.
pub fn prepare_environment() -> io::Result<()> {
    let (name, value) = NO_TELEMETRY;
    let telemetry = env::var_os(name).is_none_or(|found| found != OsStr::new(value));
    let small = small_reserves().into_iter();
    let mut missing: Vec<_> = small
        .filter(|(name, _)| env::var_os(name).is_none())
        .collect();
    missing.extend(telemetry.then(|| (name, value.to_owned())));
    if missing.is_empty() {
        return Ok(());
    }
    let mut words = env::args_os();
    let mut again = Command::new(env::current_exe()?);
    if let Some(name) = words.next() {
        again.arg0(name);
    }
    Err(again.args(words).envs(missing).exec())
}
