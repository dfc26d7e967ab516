//! A text, encoded by the demo model's tokenizer.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: clip_in_fuzz::start(), |data: &[u8]| {
    // The tokenizer stores offsets and pieces of every character.
    let most = 1024 * data.len() + (1 << 20);
    clip_in_fuzz::memory::bounded(most, || clip_in_fuzz::text(data));
});
