//! All tests of the program over its real interfaces: HTTP, gRPC and the command line. They form one binary, which is
//! linked once.

// A failed unwrap or a missing index is a failed test; what is printed shows with `--nocapture`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod support;

mod admin;
mod api_keys;
mod audit;
mod audit_captions;
mod batching;
mod client_habits;
mod closed_output;
mod cohere_embed;
mod command_line;
mod compare;
mod compare_grpc;
mod compare_looks;
mod compression;
mod computed_before_use;
mod concurrency;
mod configuration;
mod configuration_errors;
mod configuration_printed;
mod contract;
mod counted_bytes;
mod deliveries;
mod embed_interrupted;
mod embed_left_out;
mod embed_parquet;
mod embed_shards;
mod embed_tars;
mod eval_anomaly;
mod eval_compare;
mod eval_gate;
mod eval_pairs;
mod eval_retrieval;
mod eval_zeroshot;
mod explain;
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
mod line_export;
mod line_references;
mod line_views;
mod lines;
mod lines_grpc;
mod lines_how_to;
mod lines_kill;
mod lines_outage;
mod memory_bounds;
mod model_aliases;
mod model_replacement;
mod models;
mod no_telemetry;
mod open_to_others;
mod otlp_spans;
mod partial_answers;
mod precision;
mod preprocess_decode;
#[cfg(feature = "dct-scaling")]
mod preprocess_reduced;
mod preprocess_resize;
mod promotion;
mod pseudonyms;
mod references;
mod reload;
mod request_slots;
mod request_tracing;
mod rerank;
mod review_queue;
mod shadow;
mod shared_database;
mod stop;
mod tls;
mod unread_log;
mod watch;
