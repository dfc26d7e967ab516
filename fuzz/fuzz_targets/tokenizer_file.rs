//! A bundle's tokenizer.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: clip_in_fuzz::start(), |data: &[u8]| {
    // Maps and caches of the tokenizers library.
    let most = 4096 * data.len() + (8 << 20);
    clip_in_fuzz::memory::bounded(most, || clip_in_fuzz::tokenizer_file(data));
});
