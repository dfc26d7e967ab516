//! Admission: limits on requests and on the bytes of their bodies, so that memory is bounded for any input.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ApiError;
use super::awaited::{GaveWay, gave_way};
use super::byte_share::{AdmittedBody, ByteShare, UNIT};
use super::collected::Collected;
use super::lease::{Budget, Lease};
use crate::error_code::Code;
use crate::telemetry::stages::{self, Stage};

/// The limits of the whole server.
#[derive(Debug)]
pub struct Admission {
    requests: Budget,
    streams: Arc<Semaphore>,
    control: Arc<Semaphore>,
    body_units: Budget,
    answer_units: Budget,
    max_body_bytes: usize,
    max_answer_bytes: usize,
}

/// Maximum number of open control streams: health watches and reflection. They do not count as requests.
pub const CONTROL_STREAMS: usize = 256;

/// Minimum size of the memory budget of answers, in bytes.
const LEAST_ANSWER_BYTES: usize = 256 << 20;

/// Maximum body of an uncounted request, and maximum message of a control stream, in bytes.
pub const UNCOUNTED_BYTES: usize = 64 << 10;

/// Messages of a refusal when a budget is used up.
const BODIES_FULL: &str =
    "the bodies of other requests fill the memory set aside for them; try again";
const ANSWERS_FULL: &str =
    "answers that their clients have not taken yet fill the memory set aside for them; try again";

impl Admission {
    /// At most `requests` at a time, with bodies of `bytes_in_flight` in total and `max_body_bytes` each. Unread answers
    /// have the same total budget as bodies, but at least 256 MiB, because small bodies may request large answers.
    pub fn new(requests: usize, bytes_in_flight: usize, max_body_bytes: usize) -> Self {
        let answer_bytes = bytes_in_flight.max(LEAST_ANSWER_BYTES);
        Self {
            requests: Budget::new(requests),
            streams: Arc::new(Semaphore::new(requests.div_ceil(2))),
            control: Arc::new(Semaphore::new(CONTROL_STREAMS)),
            body_units: Budget::new(bytes_in_flight.div_ceil(UNIT)),
            answer_units: Budget::new(answer_bytes.div_ceil(UNIT)),
            max_body_bytes,
            max_answer_bytes: answer_bytes,
        }
    }

    /// Takes a request slot until it is dropped. If all are taken, the slowest request that is still sending its body loses
    /// its slot.
    ///
    /// # Errors
    /// 429 if there is none.
    pub fn enter(&self) -> Result<Arc<Lease>, ApiError> {
        let full = |_| {
            ApiError::overloaded(
                "the server is working on as many requests as it may; try again",
                1,
            )
        };
        let place = self.requests.lease();
        place.resize(1).map_err(full)?;
        Ok(place)
    }

    /// Takes a stream slot in addition to the request slot. Streams last as long as their clients want, so at most half of
    /// the requests may be streams.
    ///
    /// # Errors
    /// 429 if that half is taken.
    pub fn enter_stream(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let full = |_| {
            ApiError::overloaded(
                "half of the requests that the server may work on are streams; end one, or try again",
                1,
            )
        };
        self.streams.clone().try_acquire_owned().map_err(full)
    }

    /// Takes a slot for a control stream.
    ///
    /// # Errors
    /// 429 if all are taken.
    pub fn enter_control(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let full = |_| {
            ApiError::overloaded(
                "as many health watches and reflection streams are open as may be; end one, or try again",
                1,
            )
        };
        self.control.clone().try_acquire_owned().map_err(full)
    }

    /// Reads a body and takes from the byte budget as it grows, so that a client that announces much and sends little holds
    /// little.
    ///
    /// # Errors
    /// 413 for a body over the limit, 429 if the budget is used up, 400 if the client breaks off.
    pub async fn read(
        &self,
        headers: &HeaderMap,
        mut body: Body,
    ) -> Result<AdmittedBody, ApiError> {
        let started = Instant::now();
        let result = self.collect(headers, &mut body).await;
        stages::note(Stage::Read, started.elapsed());
        if result.is_err() {
            drain(body).await;
        }
        result
    }

    async fn collect(
        &self,
        headers: &HeaderMap,
        body: &mut Body,
    ) -> Result<AdmittedBody, ApiError> {
        let announced = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.parse().ok());
        if announced.is_some_and(|bytes: usize| bytes > self.max_body_bytes) {
            return Err(self.too_large());
        }
        let share = self.body_share();
        let lease = share.lease().clone();
        let most = announced.unwrap_or(self.max_body_bytes);
        let mut collected = Collected::new(share, most);
        while let Some(frame) = next_frame(body, &lease).await? {
            let frame = frame.map_err(|e| match GaveWay::is_behind(&e) {
                true => gave_way(),
                false => ApiError::new(Code::BodyIncomplete, format!("the body broke off: {e}")),
            })?;
            let Ok(chunk) = frame.into_data() else {
                continue;
            };
            if collected.len() + chunk.len() > self.max_body_bytes {
                return Err(self.too_large());
            }
            lease.received(chunk.len());
            collected.with_room(chunk.len())?.extend_from_slice(&chunk);
        }
        lease.settled();
        Ok(collected.finish())
    }

    /// An empty share of the byte budget.
    pub fn share(&self) -> ByteShare {
        ByteShare::new(self.body_units.lease(), 0, BODIES_FULL)
    }

    /// The same for the body of a request with a slot. The first 64 KiB are included in the slot, so a small body is
    /// accepted however large other bodies are.
    pub fn body_share(&self) -> ByteShare {
        ByteShare::new(self.body_units.lease(), UNIT, BODIES_FULL)
    }

    /// An empty share of the budget of answers.
    pub fn answer_share(&self) -> ByteShare {
        ByteShare::new(self.answer_units.lease(), 0, ANSWERS_FULL)
    }

    /// Maximum size of an answer, in bytes of memory.
    pub fn max_answer_bytes(&self) -> usize {
        self.max_answer_bytes
    }

    /// Maximum size of a body, or of a message of a stream.
    pub fn max_body_bytes(&self) -> usize {
        self.max_body_bytes
    }

    pub(super) fn too_large(&self) -> ApiError {
        let message = format!(
            "the body is larger than {} bytes; send fewer items at a time",
            self.max_body_bytes
        );
        ApiError::new(Code::BodyTooLarge, message)
    }
}

/// The next frame, as long as the share is not taken by others. While the client is waited for, it is late with the rest.
async fn next_frame(
    body: &mut Body,
    lease: &Arc<Lease>,
) -> Result<Option<Result<http_body::Frame<Bytes>, axum::Error>>, ApiError> {
    poll_fn(|context| {
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) {
            return Poll::Ready(Ok(frame));
        }
        lease.owed();
        lease.poll_lost(context).map(|()| Err(gave_way()))
    })
    .await
}

/// Limits for reading and discarding the rest of a refused request, in bytes and in time.
const DRAIN_BYTES: usize = 64 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Reads and discards the rest of a refused request, within limits. Otherwise a client that is still sending when the
/// connection closes would get a reset instead of the error.
pub async fn drain(mut body: Body) {
    let rest = async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > DRAIN_BYTES {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, rest).await;
}
