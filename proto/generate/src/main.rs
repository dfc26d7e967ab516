//! Generates `src/api/grpc/generated` from `proto/*`: `make proto`, from the repository's root. `protox` is a compiler in
//! Rust: no `protoc` needs to be installed.

use std::path::Path;

use anyhow::Context as _;
use prost::Message as _;

const PROTOS: [&str; 2] = ["clip_in/v1/clip_in.proto", "inference/v2.proto"];

fn main() -> anyhow::Result<()> {
    let out = Path::new("src/api/grpc/generated");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    // For the reflection service, and for the test that compares it with the files.
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec()).with_context(
        || {
            format!(
                "cannot write to {}: start it in the repository's root",
                out.display()
            )
        },
    )?;
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(out)
        .compile_fds(descriptors)?;
    Ok(())
}
