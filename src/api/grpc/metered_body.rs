//! A request's body that pays for its bytes from the server's byte budget while it is read.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use tonic::Status;

use crate::api::admission::ByteShare;
use crate::telemetry::stages::{self, Stage};

/// What a gRPC request holds of the byte budget. Handlers of streams give back what they have dealt with.
#[derive(Debug, Clone)]
pub struct SharedBytes(Arc<Mutex<ByteShare>>);

impl SharedBytes {
    /// For one request.
    pub fn new(share: ByteShare) -> Self {
        Self(Arc::new(Mutex::new(share)))
    }

    fn take(&self, bytes: usize) -> Result<(), Status> {
        let mut share = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let total = share.bytes() + bytes;
        share.resize(total).map_err(Status::from)
    }

    /// A message of so many bytes is dealt with.
    pub fn give_back(&self, bytes: usize) {
        let mut share = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = share.bytes().saturating_sub(bytes);
        // Giving back cannot fail.
        let _ = share.resize(rest);
    }
}

/// A body that takes from [`SharedBytes`] what it hands on.
pub struct MeteredBody {
    body: Body,
    share: SharedBytes,
    /// When it was first asked for.
    started: Option<Instant>,
}

impl MeteredBody {
    /// Meters a body.
    pub fn new(body: Body, share: SharedBytes) -> Self {
        Self {
            body,
            share,
            started: None,
        }
    }
}

impl http_body::Body for MeteredBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let started = *self.started.get_or_insert_with(Instant::now);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        stages::note(Stage::Read, started.elapsed());
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(|error| Status::from_error(error.into()))?;
            if let Some(data) = frame.data_ref() {
                self.share.take(data.len())?;
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
