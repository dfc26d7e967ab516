//! Common parts of the tests: servers, clients, data sets.

pub mod embed_input;
pub mod embed_output;
pub mod embed_run;
pub mod eval_data;
pub mod grpc_client;
pub mod half_sent;
pub mod image_origin;
pub mod import_layout;
pub mod otlp_collector;
pub mod parts;
pub mod plant;
pub mod postgres;
pub mod server;
pub mod settings;
pub mod training_sets;
pub mod webhook_receiver;
