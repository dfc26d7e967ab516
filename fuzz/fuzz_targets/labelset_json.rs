//! A label set's definition.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: clip_in_fuzz::start(), |data: &[u8]| {
    // A list of empty names is the worst case of a definition.
    let most = 64 * data.len() + (256 << 10);
    clip_in_fuzz::memory::bounded(most, || clip_in_fuzz::labelset_json(data));
});
