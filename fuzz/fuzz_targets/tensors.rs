//! Tensors of the Open Inference Protocol, in JSON and as bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: clip_in_fuzz::start(), |data: &[u8]| {
    // A list of one-digit numbers with 64 bits each, while the vector grows.
    let most = 32 * data.len() + (256 << 10);
    clip_in_fuzz::memory::bounded(most, || clip_in_fuzz::tensors(data));
});
