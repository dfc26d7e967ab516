//! Compiles the protocol buffers. `protox` is a compiler in Rust: no `protoc` needs to be installed.

use std::path::PathBuf;

use prost::Message;

const PROTOS: [&str; 2] = ["clip_in/v1/clip_in.proto", "inference/v2.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // For the reflection service.
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
