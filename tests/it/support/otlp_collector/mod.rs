//! An OpenTelemetry collector: accepts spans by OTLP over gRPC, and stores the bytes as received.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::post;
use axum_server::tls_rustls::RustlsConfig;
use http_body_util::{BodyExt, Full};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

pub struct Collector {
    pub address: SocketAddr,
    calls: Arc<Calls>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Calls {
    received: Mutex<Vec<(HeaderMap, Bytes)>>,
    refuses: AtomicBool,
}

impl Collector {
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// With a certificate and its key, in PEM.
    pub fn with_tls(certificate: &[u8], key: &[u8]) -> Self {
        Self::launch(Some((certificate.to_vec(), key.to_vec())))
    }

    fn launch(pair: Option<(Vec<u8>, Vec<u8>)>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Calls::default());
        let router = Router::new()
            .route(EXPORT, post(export))
            .with_state(calls.clone())
            .into_make_service();
        runtime.spawn(async move {
            match pair {
                None => axum_server::from_tcp(listener).unwrap().serve(router).await,
                Some((certificate, key)) => {
                    let tls = RustlsConfig::from_pem(certificate, key).await.unwrap();
                    let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
                    server.serve(router).await
                }
            }
        });
        Self {
            address,
            calls,
            _runtime: runtime,
        }
    }

    /// From now on it refuses exports, or accepts them.
    pub fn refuse(&self, refuses: bool) {
        self.calls.refuses.store(refuses, Ordering::SeqCst);
    }

    /// Number of exports so far, including refused ones.
    pub fn exports(&self) -> usize {
        self.calls.received.lock().unwrap().len()
    }

    pub fn headers(&self) -> HeaderMap {
        self.calls.received.lock().unwrap()[0].0.clone()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let received = self.calls.received.lock().unwrap();
        let bodies = received.iter().flat_map(|(_, body)| body.iter().copied());
        bodies.collect()
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let received = self.calls.received.lock().unwrap();
        // After a byte for "not compressed" and four for the length.
        let message = |body: &Bytes| ExportTraceServiceRequest::decode(&body[5..]).unwrap();
        received.iter().map(|(_, body)| message(body)).collect()
    }

    /// The resource attributes of the first span.
    pub fn resource(&self) -> Vec<KeyValue> {
        let spans = self.requests().remove(0).resource_spans.remove(0);
        spans.resource.unwrap().attributes
    }

    pub fn spans(&self) -> Vec<Span> {
        let resources = self.requests().into_iter().flat_map(|r| r.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// The only span of this request.
    pub fn span(&self, request_id: &str) -> Span {
        let mut spans = self.spans();
        spans.retain(|span| text(&span.attributes, "clip_in.request_id") == request_id);
        assert_eq!(spans.len(), 1, "{request_id}: {spans:?}");
        spans.remove(0)
    }
}

async fn export(State(calls): State<Arc<Calls>>, headers: HeaderMap, body: Bytes) -> Response {
    calls.received.lock().unwrap().push((headers, body));
    // 13: an error that is not retried.
    let refuses = calls.refuses.load(Ordering::SeqCst);
    let status = HeaderValue::from_static(if refuses { "13" } else { "0" });
    let trailers = async move {
        Some(Ok(HeaderMap::from_iter([(
            "grpc-status".parse().unwrap(),
            status,
        )])))
    };
    // An empty message.
    let answer = Full::new(Bytes::from_static(&[0; 5])).with_trailers(trailers);
    Response::builder()
        .header("content-type", "application/grpc")
        .body(Body::new(answer))
        .unwrap()
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let mut named = attributes.iter().filter(|attribute| attribute.key == key);
    let found = named.next()?.value.as_ref()?.value.as_ref();
    assert!(named.next().is_none(), "{key} twice: {attributes:?}");
    found
}

/// A string attribute; empty if it is missing.
pub fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    match value(attributes, key) {
        None => "",
        Some(Value::StringValue(text)) => text,
        Some(other) => panic!("{key}: {other:?}"),
    }
}

pub fn whole(attributes: &[KeyValue], key: &str) -> Option<i64> {
    value(attributes, key).map(|value| match value {
        Value::IntValue(number) => *number,
        other => panic!("{key}: {other:?}"),
    })
}

pub fn real(attributes: &[KeyValue], key: &str) -> Option<f64> {
    value(attributes, key).map(|value| match value {
        Value::DoubleValue(number) => *number,
        other => panic!("{key}: {other:?}"),
    })
}
