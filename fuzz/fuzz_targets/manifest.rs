//! A bundle's manifest.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: clip_in_fuzz::start(), |data: &[u8]| {
    // It is a JSON document.
    let most = 64 * data.len() + (256 << 10);
    clip_in_fuzz::memory::bounded(most, || clip_in_fuzz::manifest(data));
});
