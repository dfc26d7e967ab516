//! All tests of the program over its real interfaces: HTTP, gRPC and the command line. They form one binary, which is
//! linked once.

// A failed unwrap or a missing index is a failed test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

mod abuse;
mod admin;
mod api_keys;
mod audit;
mod audit_captions;
mod batching;
mod client_habits;
mod client_shapes;
mod command_line;
mod compression;
mod concurrency;
mod configuration;
mod contract;
mod embed_left_out;
mod embed_shards;
mod embed_sources;
mod eval_benchmarks;
mod eval_compare;
mod external_weights;
mod failing_sessions;
mod features;
mod fuzz_corpus;
mod hostile_input;
mod hostile_urls;
mod image_bombs;
mod image_options;
mod image_suite;
mod image_urls;
mod import;
mod input_forms;
mod jpeg_layouts;
mod labelset_models;
mod labelsets;
mod labelsets_kill;
mod lanes;
mod memory_bounds;
mod model_replacement;
mod models;
mod no_telemetry;
mod otlp_spans;
mod precision;
mod preprocess_decode;
#[cfg(feature = "dct-scaling")]
mod preprocess_reduced;
mod preprocess_resize;
mod raster_suite;
mod reload;
mod request_tracing;
mod rerank;
mod stop;
mod tls;
mod unread_log;
