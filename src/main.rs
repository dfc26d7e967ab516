//! The `clip-in` program: runs one command from its arguments.

use std::io::Write as _;
use std::process::ExitCode;

/// Bodies and pictures of all sizes are allocated on many threads. glibc retains freed memory in each of its arenas for a
/// long time; this allocator returns pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Err(error) = clip_in::runtime::prepare_environment() {
        let _ = writeln!(
            std::io::stderr(),
            "clip-in: cannot start again with the environment that its libraries need: {error}; set ORT_DISABLE_TELEMETRY=1, MALLOC_ARENA_MAX, MIMALLOC_ARENA_RESERVE and MIMALLOC_PURGE_DELAY"
        );
        return ExitCode::FAILURE;
    }
    clip_in::cli::run(&std::env::args_os().collect::<Vec<_>>())
}
