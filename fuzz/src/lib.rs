//! Bytes from outside, made up by a fuzzer: `make fuzz`.

mod checks;
pub mod memory;

pub use checks::{
    grpc_wire, image, json_body, labelset_json, load, manifest, tensors, text, tiff, tokenizer_file,
};

/// Before the first input.
pub fn start() {
    // libFuzzer's hook ends the process at any panic. Those that the server catches, of the decoders, are no findings; those
    // that it does not catch end the process all the same. Nor is the memory that a backtrace takes a finding.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    load();
}
