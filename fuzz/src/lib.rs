//! Generated input from a fuzzer: `make fuzz`.

mod checks;
pub mod memory;

pub use checks::{
    grpc_wire, image, json_body, labelset_json, load, manifest, tensors, text, tiff, tokenizer_file,
};

/// Called before the first input.
pub fn start() {
    // libFuzzer's hook ends the process at any panic. Panics that the server catches, in decoders, are not findings;
    // others end the process anyway. The memory of a backtrace is not a finding either.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    load();
}
