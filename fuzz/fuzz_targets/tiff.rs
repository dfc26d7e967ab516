//! A TIFF file, or the entries of a directory and their data.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: clip_in_fuzz::start(), |data: &[u8]| {
    // Sixteen bytes per pixel of the permitted megapixel, the additional memory of decoders, and the offsets of strips,
    // which take two bytes each in the file.
    let most = 32 * data.len() + (24 << 20);
    clip_in_fuzz::memory::bounded(most, || clip_in_fuzz::tiff(data));
});
