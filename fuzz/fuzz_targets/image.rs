//! An image file, decoded and resized to the tensor.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: clip_in_fuzz::start(), |data: &[u8]| {
    // Sixteen bytes per pixel of the permitted megapixel, and the additional memory of decoders.
    let most = data.len() + (24 << 20);
    clip_in_fuzz::memory::bounded(most, || clip_in_fuzz::image(data));
});
