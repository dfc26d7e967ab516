//! How much memory an input may cost.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Runs `work`, which may hold so many bytes at a time.
pub fn bounded(most: usize, work: impl FnOnce()) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    work();
    let held = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(
        held <= most,
        "{held} bytes of memory; at most {most} are in order"
    );
}
