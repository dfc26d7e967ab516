//! gRPC on the same port as REST: requests with gRPC's content type are routed here.

pub mod bodies;
mod compare;
mod convert;
mod embed_stream;
mod health;
mod inference;
mod inference_about;
mod inspect;
mod message_body;
mod message_share;
mod options;
mod patience;
mod protocol;
mod service;
mod status;
mod streamed;
mod wire_cost;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tower::ServiceExt;

use self::protocol::Grpc;
use super::{AppState, frame};

/// The code that `make proto` generates from `proto/clip_in/v1`.
#[allow(missing_docs, clippy::all)]
mod proto {
    include!("generated/clip_in.v1.rs");

    /// Descriptors of all protocol buffers of this project, for reflection.
    pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");
}

/// Descriptors of the Open Inference Protocol.
#[allow(missing_docs, clippy::all)]
mod inference_proto {
    include!("generated/inference.rs");
}

#[cfg(test)]
pub use proto::DESCRIPTORS;

use inference_proto::grpc_inference_service_server::GrpcInferenceServiceServer;
use proto::clip_in_server::ClipInServer;

/// This project's services, the standard health service, and reflection.
///
/// # Errors
/// If the compiled-in descriptors are not readable.
pub fn router(state: &Arc<AppState>) -> Result<Router, Box<dyn std::error::Error + Send + Sync>> {
    let most = state.admission.max_body_bytes();
    let clip_in = ClipInServer::new(service::Service::new(state.clone()))
        .accept_compressed(Gzip)
        .accept_compressed(Zstd)
        .send_compressed(Gzip)
        .send_compressed(Zstd)
        .max_decoding_message_size(most)
        .max_encoding_message_size(usize::MAX);
    let inference = GrpcInferenceServiceServer::new(inference::Service::new(state.clone()))
        .accept_compressed(Gzip)
        .send_compressed(Gzip)
        .max_decoding_message_size(most)
        .max_encoding_message_size(usize::MAX);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = Routes::new(clip_in)
        .add_service(inference)
        .add_service(HealthServer::new(health::HealthService::new(state.clone())))
        .add_service(reflection().build_v1()?)
        // Older tools use this version.
        .add_service(reflection().build_v1alpha()?);
    let costs = wire_cost::WireCosts::new(proto::DESCRIPTORS)?;
    let frame = (state.clone(), Grpc(Arc::new(costs)));
    let framed = axum::middleware::from_fn_with_state(frame, frame::pass);
    Ok(routes.prepare().into_axum_router().layer(framed))
}

/// Routes gRPC requests to their services, and all others to REST.
pub async fn divert(State(grpc): State<Router>, request: Request, next: Next) -> Response {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|value| {
        let value = value.as_bytes();
        // `application/grpc-web` is another protocol.
        value.starts_with(b"application/grpc") && !value.starts_with(b"application/grpc-web")
    });
    if is_grpc {
        grpc.oneshot(request).await.into_response()
    } else {
        next.run(request).await
    }
}
