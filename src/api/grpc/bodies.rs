//! What a gRPC request's bytes become, without a server around them: for tests that send many.

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

/// Decodes a message and drops it; whether it could be decoded.
type Decode = fn(Bytes) -> bool;

/// The methods that take more than a name, by their paths.
const METHODS: [(&str, Decode); 6] = [
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
    ("/clip_in.v1.ClipIn/Rerank", decode::<proto::RerankRequest>),
    (
        "/inference.GRPCInferenceService/ModelInfer",
        decode::<oip::ModelInferRequest>,
    ),
];

/// A message that was let in.
#[derive(Debug)]
pub struct Counted {
    /// Its bytes, unpacked.
    message: Bytes,
    /// What it was counted as, in bytes of memory.
    pub cost: usize,
    decode: Decode,
}

impl Counted {
    /// Decodes the message as its method does, and drops what it became; whether it is one.
    pub fn decode(self) -> bool {
        (self.decode)(self.message)
    }
}

/// The bodies of all methods: their messages unpacked, and counted by what they become.
#[derive(Debug)]
pub struct Bodies {
    costs: Arc<WireCosts>,
}

impl Bodies {
    /// Of the services that are compiled in.
    ///
    /// # Errors
    /// If their descriptors cannot be read.
    pub fn new() -> Result<Self, prost::DecodeError> {
        let costs = Arc::new(WireCosts::new(proto::DESCRIPTORS)?);
        Ok(Self { costs })
    }

    /// Reads the body of a call of one of the methods (by its number, modulo how many there are) that comes in pieces.
    /// `encoding`: the value of `grpc-encoding`. `most`: the largest message, and a quarter of all messages, in bytes.
    ///
    /// # Errors
    /// As the call is answered.
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
                // The rest is no whole message.
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

/// The next frame. Nothing is waited for: all pieces are there, and what is not ready is under way.
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
