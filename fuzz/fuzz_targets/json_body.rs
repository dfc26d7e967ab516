//! A JSON body, read by every route.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: clip_in_fuzz::start(), |data: &[u8]| {
    // A list of empty texts is the worst case of a body.
    let most = 64 * data.len() + (256 << 10);
    clip_in_fuzz::memory::bounded(most, || clip_in_fuzz::json_body(data));
});
