//! The steps of a request that are special to gRPC: messages take their share of the byte budget, and trailers contain the status.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body::Frame;
use tonic::Status;

use super::message_body::{MessageBody, MessageRules};
use super::message_share::SharedBytes;
use super::status::CODE;
use super::wire_cost::WireCosts;
use crate::api::admission::UNCOUNTED_BYTES;
use crate::api::frame::Protocol;
use crate::api::lease::Lease;
use crate::api::routes::{self, Place, Route};
use crate::api::{ApiError, AppState};
use crate::telemetry::spans::request_span::{self, RequestSpan};

/// gRPC, with the costs of its messages.
#[derive(Clone)]
pub struct Grpc(pub Arc<WireCosts>);

impl Protocol for Grpc {
    const STATUS_PREFIX: &str = "grpc-";
    const DRAINS: bool = false;

    fn route(request: &Request) -> Route {
        routes::of_grpc(request.uri().path()).clone()
    }

    async fn answer(
        &self,
        state: &AppState,
        route: &Route,
        place: Option<&Arc<Lease>>,
        request: Request,
        next: Next,
    ) -> Response {
        let admission = &state.admission;
        let share = SharedBytes::new(match place {
            Some(_) => admission.body_share(),
            None => admission.share(),
        });
        let rules = MessageRules {
            path: request.uri().path().to_owned(),
            costs: self.0.clone(),
            place: place.filter(|_| route.place == Place::Request).cloned(),
            most: match route.place {
                Place::Request | Place::Stream => admission.max_body_bytes(),
                Place::Uncounted | Place::Control => UNCOUNTED_BYTES,
            },
            // A health watch sends one message and then waits. `EmbedStream` limits the waiting itself.
            patience: match route.place {
                Place::Control if !route.path.ends_with("/Watch") => Some(state.request_time),
                _ => None,
            },
        };
        let (parts, body) = request.into_parts();
        let body = MessageBody::new(body, &parts.headers, rules, share.clone());
        let mut request = Request::from_parts(parts, Body::new(body));
        request.extensions_mut().insert(share.clone());
        let share = route.is_stream().then_some(share);
        next.run(request).await.map(|body| {
            Body::new(Answer {
                body,
                _share: share,
                span: tracing::Span::current(),
                exported: request_span::current(),
            })
        })
    }

    fn refusal(error: ApiError) -> Response {
        Status::from(error).into_http()
    }

    fn finish(route: &Route, response: Response) -> (Response, u16, String) {
        request_span::note_grpc_call(route.path);
        // Trailers of an error that comes before any message are headers.
        let (status, code) = noted(response.headers()).unwrap_or_default();
        (response, status, code)
    }
}

/// The status and the error's code in the trailers of a call, which its span gets too. `None` if these are no trailers.
fn noted(trailers: &HeaderMap) -> Option<(u16, String)> {
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    let status = text("grpc-status")?.parse().ok()?;
    let code = text(CODE).unwrap_or_default().to_owned();
    request_span::note_grpc_status(status, &code);
    Some((status, code))
}

/// A response's body.
struct Answer {
    body: Body,
    /// The share of the byte budget that the messages of a stream hold.
    _share: Option<SharedBytes>,
    /// Log lines of a stream belong to its request.
    span: tracing::Span,
    /// The span for a collector, if there is one. It ends with the body.
    exported: Option<RequestSpan>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let _entered = this.span.enter();
        let body = Pin::new(&mut this.body);
        let Some(exported) = &this.exported else {
            return body.poll_frame(context);
        };
        exported.around_body(|| {
            let frame = body.poll_frame(context);
            if let Poll::Ready(Some(Ok(frame))) = &frame
                && let Some(trailers) = frame.trailers_ref()
            {
                noted(trailers);
            }
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
