//! A gRPC client that sends messages as bytes, including those that no generated code would make.

#![allow(dead_code)] // Each test file uses a part.

use bytes::{Buf, BufMut, Bytes};
use futures_util::{Stream, StreamExt};
use tokio::runtime::Runtime;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

pub const EMBED: &str = "/clip_in.v1.ClipIn/Embed";
pub const EMBED_STREAM: &str = "/clip_in.v1.ClipIn/EmbedStream";
pub const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";
pub const METADATA: &str = "/inference.GRPCInferenceService/ModelMetadata";
pub const READY: &str = "/inference.GRPCInferenceService/ModelReady";
pub const CHECK: &str = "/grpc.health.v1.Health/Check";
pub const WATCH: &str = "/grpc.health.v1.Health/Watch";
pub const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
/// `EmbedRequest` of one short text.
pub const ONE_TEXT: &[u8] = b"\x12\x05\x0a\x03cat";
/// `EmbedStreamRequest` of one short text.
pub const STREAMED_TEXT: &[u8] = b"\x12\x05\x0a\x03cat";

pub fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

/// `clip_in.v1.Region`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Region {
    #[prost(uint32, tag = "1")]
    pub x: u32,
    #[prost(uint32, tag = "2")]
    pub y: u32,
    #[prost(uint32, tag = "3")]
    pub width: u32,
    #[prost(uint32, tag = "4")]
    pub height: u32,
    #[prost(float, tag = "5")]
    pub strength: f32,
}

/// A codec that passes messages as bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// A client of a server.
pub struct RawClient {
    grpc: Grpc<Channel>,
}

impl RawClient {
    /// Connects; with `gzip` messages are compressed.
    pub async fn connect(url: &str, gzip: bool) -> Self {
        let channel = Endpoint::new(url.to_owned()).unwrap().connect().await;
        let mut grpc = Grpc::new(channel.unwrap())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        if gzip {
            grpc = grpc.send_compressed(CompressionEncoding::Gzip);
        }
        Self { grpc }
    }

    /// A call of one message.
    pub async fn unary(&mut self, path: &'static str, message: Bytes) -> Result<Bytes, Status> {
        self.grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static(path);
        let answer = self.grpc.unary(Request::new(message), path, Raw).await;
        answer.map(Response::into_inner)
    }

    /// A call of a stream.
    pub async fn streaming(
        &mut self,
        path: &'static str,
        messages: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Result<Streaming<Bytes>, Status> {
        self.grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static(path);
        let request = Request::new(messages.boxed());
        let answer = self.grpc.streaming(request, path, Raw).await;
        answer.map(Response::into_inner)
    }
}

/// The REST interface's code in the trailers of a failure.
pub fn code_of(status: &Status) -> &str {
    let code = status.metadata().get("x-clip-in-code");
    code.and_then(|code| code.to_str().ok()).unwrap_or_default()
}
