//! Environment variables that libraries read only once, or before any code of this program runs.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::num::NonZero;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

/// From version 1.29 on, ONNX Runtime sends telemetry about the models, on Linux too: it stores an identifier and a queue of
/// events below the home folder, and sends them unless this variable is 1 before the library is loaded. Its
/// `DisableTelemetryEvents` comes too late for that (`docs/Privacy.md` in its repository).
const NO_TELEMETRY: (&str, &str) = ("ORT_DISABLE_TELEMETRY", "1");

/// Reserves of allocators: address space that counts towards a limit (`ulimit -v`), although most of it is never used, and freed
/// memory that is kept for reuse. A value that is already set is not changed (`docs/src/decisions/0007-mimalloc.md` has figures).
///
/// - glibc, from which ONNX Runtime takes its memory: 64 MiB for each arena, and eight arenas for each core. One for each core is
///   as many as there are threads that compute at a time.
/// - mimalloc, from which everything else is taken: 1 GiB at a time, and freed memory for a second.
fn small_reserves() -> [(&'static str, String); 3] {
    let cores = thread::available_parallelism().map_or(2, NonZero::get);
    [
        ("MALLOC_ARENA_MAX", cores.max(2).to_string()),
        ("MIMALLOC_ARENA_RESERVE", "64MiB".to_owned()),
        ("MIMALLOC_PURGE_DELAY", "100".to_owned()),
    ]
}

/// Sets the variables: if one is missing, the program replaces itself (same process, same arguments) with all of them set.
/// Must be called first: a process cannot change its own environment safely, because other threads may read it.
///
/// # Errors
/// If the program cannot be started again; ONNX Runtime must not be used then.
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
