//! A TIFF file, or a directory's entries and what they point at.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: clip_in_fuzz::start(), |data: &[u8]| {
    // Sixteen bytes a pixel of the one megapixel that is allowed, what decoders hold besides, and the places of strips: of two
    // bytes each in the file.
    let most = 32 * data.len() + (24 << 20);
    clip_in_fuzz::memory::bounded(most, || clip_in_fuzz::tiff(data));
});
