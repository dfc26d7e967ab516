//! An image file, through decoding and resizing to the tensor.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: clip_in_fuzz::start(), |data: &[u8]| {
    // Sixteen bytes a pixel of the one megapixel that is allowed, and what decoders hold besides.
    let most = data.len() + (24 << 20);
    clip_in_fuzz::memory::bounded(most, || clip_in_fuzz::image(data));
});
