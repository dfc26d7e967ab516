//! An answer's body and what its request holds until the body was taken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::Entry;
use crate::api::held::Held;

/// A token of each request that is not answered to its end; a stop waits for the last one.
pub type Open = Arc<()>;

struct AnswerBody {
    body: Body,
    _held: Held,
    _open: Open,
    _entry: Option<Entry>,
}

/// The same answer; what was held is given back when its body was handed on, or is dropped.
pub fn holding(response: Response, held: Held, open: Open, entry: Option<Entry>) -> Response {
    response.map(|body| {
        Body::new(AnswerBody {
            body,
            _held: held,
            _open: open,
            _entry: entry,
        })
    })
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
