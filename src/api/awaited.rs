//! The body of a request while the server waits for its client: meanwhile its slot may be taken by others.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;

use super::ApiError;
use super::lease::Lease;
use crate::error_code::Code;

/// The answer to a slow sender that lost its slot.
pub fn gave_way() -> ApiError {
    let message = "the body came so slowly that others needed the place meanwhile; send it again";
    ApiError::new(Code::RequestTimeout, message)
}

/// The end of a body whose request lost its slot.
#[derive(Debug, thiserror::Error)]
#[error("others needed the place")]
pub struct GaveWay;

impl GaveWay {
    /// Whether an error is this one, or wraps it.
    pub fn is_behind(error: &(dyn std::error::Error + 'static)) -> bool {
        std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<Self>())
    }
}

/// A request's body whose slot may be taken while its client is waited for.
pub struct Awaited {
    body: Body,
    place: Arc<Lease>,
}

impl Awaited {
    /// The same body.
    pub fn new(body: Body, place: Arc<Lease>) -> Self {
        Self { body, place }
    }
}

impl http_body::Body for Awaited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.place.received(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(end) => {
                self.place.settled();
                Poll::Ready(end)
            }
            Poll::Pending => {
                self.place.owed();
                let lost = self.place.poll_lost(context);
                lost.map(|()| Some(Err(axum::Error::new(GaveWay))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.place.settled();
    }
}
