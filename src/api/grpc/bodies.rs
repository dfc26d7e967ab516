//! Decodes the bytes of gRPC requests without a server, for fuzz tests.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body::Frame;
use http_body_util::BodyExt;
use prost::Message;
use tonic::Status;

use super::message_body::{MessageBody, MessageRules};
use super::message_share::SharedBytes;
use super::wire_cost::WireCosts;
use super::{inference_proto as oip, proto};
use crate::api::admission::Admission;

/// Decodes a message and drops it; returns whether it is valid.
type Decode = fn(Bytes) -> bool;

/// The methods with more than a name in their messages, by path.
const METHODS: [(&str, Decode); 10] = [
    ("/clip_in.v1.ClipIn/Embed", decode::<proto::EmbedRequest>),
    (
        "/clip_in.v1.ClipIn/EmbedStream",
        decode::<proto::EmbedStreamRequest>,
    ),
    (
        "/clip_in.v1.ClipIn/Similarity",
        decode::<proto::SimilarityRequest>,
    ),
    (
        "/clip_in.v1.ClipIn/Classify",
        decode::<proto::ClassifyRequest>,
    ),
    (
        "/clip_in.v1.ClipIn/Explain",
        decode::<proto::ExplainRequest>,
    ),
    (
        "/clip_in.v1.ClipIn/Compare",
        decode::<proto::CompareRequest>,
    ),
    ("/clip_in.v1.ClipIn/Rerank", decode::<proto::RerankRequest>),
    (
        "/clip_in.v1.ClipIn/Inspect",
        decode::<proto::InspectRequest>,
    ),
    (
        "/clip_in.v1.ClipIn/InspectStream",
        decode::<proto::InspectRequest>,
    ),
    (
        "/inference.GRPCInferenceService/ModelInfer",
        decode::<oip::ModelInferRequest>,
    ),
];

/// A message that was accepted.
#[derive(Debug)]
pub struct Counted {
    /// Its uncompressed bytes.
    message: Bytes,
    /// Its counted size, in bytes of memory.
    pub cost: usize,
    decode: Decode,
}

impl Counted {
    /// Decodes the message as its method does and drops the result; returns whether it is valid.
    pub fn decode(self) -> bool {
        (self.decode)(self.message)
    }
}

/// The bodies of all methods: their messages are decompressed and their memory is counted.
#[derive(Debug)]
pub struct Bodies {
    costs: Arc<WireCosts>,
}

impl Bodies {
    /// The methods of the compiled-in services.
    ///
    /// # Errors
    /// If their descriptors cannot be read.
    pub fn new() -> Result<Self, prost::DecodeError> {
        let costs = Arc::new(WireCosts::new(proto::DESCRIPTORS)?);
        Ok(Self { costs })
    }

    /// Reads the body of a call of one of the methods (by number, modulo the number of methods) that arrives in pieces.
    /// `encoding`: the value of `grpc-encoding`. `most`: the maximum message size and a quarter of the maximum of all
    /// messages, in bytes.
    ///
    /// # Errors
    /// The error of the call.
    pub fn read(
        &self,
        method: usize,
        encoding: &'static str,
        pieces: Vec<Bytes>,
        most: usize,
    ) -> Result<Vec<Counted>, Status> {
        let (path, decode) = METHODS[method % METHODS.len()];
        let mut headers = HeaderMap::new();
        headers.insert("grpc-encoding", HeaderValue::from_static(encoding));
        let rules = MessageRules {
            path: path.to_owned(),
            costs: self.costs.clone(),
            most,
            place: None,
            patience: None,
        };
        let share = SharedBytes::new(Admission::new(1, 4 * most, most).share());
        let pieces = pieces.into_iter().map(Ok::<_, std::convert::Infallible>);
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let mut body = MessageBody::new(body, &headers, rules, share.clone());
        let mut counted = Vec::new();
        while let Some(head) = frame(&mut body) {
            head?;
            let Some(cost) = share.take_cost() else {
                // The rest is not a complete message.
                break;
            };
            let Some(message) = frame(&mut body) else {
                break;
            };
            let message = message?.into_data().unwrap_or_default();
            counted.push(Counted {
                message,
                cost,
                decode,
            });
        }
        Ok(counted)
    }
}

/// The next frame. This never waits: all pieces are available, and pending means that work is in progress.
fn frame(body: &mut MessageBody) -> Option<Result<Frame<Bytes>, Status>> {
    loop {
        if let Some(frame) = body.frame().now_or_never() {
            return frame;
        }
    }
}

fn decode<T: Message + Default>(message: Bytes) -> bool {
    T::decode(message).is_ok()
}
