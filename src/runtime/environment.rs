//! Environment variables that libraries read before any code of ours runs, or that they read only once.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// ONNX Runtime from 1.29 on sends telemetry about the models that run, on Linux too: it keeps an identifier and a queue of events
/// below the home folder, and sends them unless this variable is 1 before the library is loaded. Its
/// `DisableTelemetryEvents` comes too late for that (`docs/Privacy.md` of its repository).
const NO_TELEMETRY: (&str, &str) = ("ORT_DISABLE_TELEMETRY", "1");

/// What allocators set aside: address space that is counted where it is limited (`ulimit -v`), although most of it is never used.
/// A value that is set already is left as it is.
///
/// - glibc, from which ONNX Runtime takes its memory: 64 MiB for each arena, and eight arenas for each core.
/// - mimalloc, from which everything else is taken: 1 GiB at a time.
const SMALL_RESERVES: [(&str, &str); 2] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MIMALLOC_ARENA_RESERVE", "64MiB"),
];

/// Sets them: if one is missing, the program starts again in its own place (same process, same arguments) with all of them. To
/// be called before anything else: a process cannot change its own environment safely, as others may be reading it.
///
/// # Errors
/// If the program cannot be started again; then nothing that uses ONNX Runtime must be done.
pub fn prepare_environment() -> io::Result<()> {
    let (name, value) = NO_TELEMETRY;
    let telemetry = env::var_os(name).is_none_or(|found| found != OsStr::new(value));
    let small = SMALL_RESERVES.into_iter();
    let mut missing: Vec<_> = small
        .filter(|(name, _)| env::var_os(name).is_none())
        .collect();
    missing.extend(telemetry.then_some(NO_TELEMETRY));
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
