//! The bytes of a gRPC request: framing, compression, protocol buffers. The counted memory of a message must cover its
//! real use.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: clip_in_fuzz::start(), |data: &[u8]| {
    clip_in_fuzz::grpc_wire(data, |most, work| clip_in_fuzz::memory::bounded(most, work));
});
