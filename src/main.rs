//! The `clip-in` program: arguments → one command.

use std::process::ExitCode;

/// Bodies and pictures of all sizes come and go on many threads: glibc keeps what each of its arenas once had, and never
/// levels off quickly; this one gives pages back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Err(error) = clip_in::runtime::prepare_environment() {
        eprintln!(
            "clip-in: cannot start again with the environment that its libraries need: {error}; set ORT_DISABLE_TELEMETRY=1, MALLOC_ARENA_MAX=2 and MIMALLOC_ARENA_RESERVE=64MiB"
        );
        return ExitCode::FAILURE;
    }
    clip_in::cli::run(&std::env::args_os().collect::<Vec<_>>())
}
