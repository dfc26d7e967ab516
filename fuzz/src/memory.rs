//! The memory limit of an input.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Runs `work` with a limit on the bytes that it may hold.
pub fn bounded(most: usize, work: impl FnOnce()) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    work();
    let held = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(
        held <= most,
        "{held} bytes of memory; at most {most} are allowed"
    );
}
