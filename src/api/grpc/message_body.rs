//! A request's body, message by message. Each message is decompressed here, and its memory is taken from the server's byte
//! budget before it is decoded.
//!
//! tonic decodes each message that it gets and limits only its bytes. So compressed messages are decompressed before tonic
//! sees them, and [`WireCosts`] detects messages that would grow while they are decoded. Framing:
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body::{Body as _, Frame};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use super::message_share::SharedBytes;
use super::wire_cost::WireCosts;
use crate::api::ApiError;
use crate::api::awaited::gave_way;
use crate::api::collected::room_for;
use crate::api::lease::Lease;
use crate::api::unpacking::{Broken, Coding, STEP, Unpacking};
use crate::error_code::Code;
use crate::telemetry::stages::{self, Stage};

/// Size of a message's header: a compression flag and the length.
const HEAD: usize = 5;

/// Number of steps after which other tasks run: a message of megabytes takes tenths of a second.
const STEPS: usize = 16;

/// A compressed message, in the middle of its decompression.
struct Compressed {
    rest: Unpacking,
    plain: Vec<u8>,
    /// Bytes counted for it so far.
    paid: usize,
}

/// The state of the next message.
enum Next {
    /// It is complete.
    Ready,
    /// It is being decompressed.
    UnderWay,
    /// It has not arrived completely.
    Missing,
}

/// The rules for the messages of a request.
#[derive(Debug)]
pub struct MessageRules {
    /// The method's path.
    pub path: String,
    /// The costs of messages.
    pub costs: Arc<WireCosts>,
    /// Maximum size of a message, in bytes on the wire, decompressed, and in memory.
    pub most: usize,
    /// The slot that others may take while the only message of the request is waited for; `None` for a stream.
    pub place: Option<Arc<Lease>>,
    /// Maximum time to wait for a message; `None` where another limit applies.
    pub patience: Option<Duration>,
}

/// A body whose messages are decompressed and counted.
pub struct MessageBody {
    body: Body,
    rules: MessageRules,
    /// How its messages are compressed; `None` if they are not, or so that tonic will refuse it by its name.
    coding: Option<Coding>,
    share: SharedBytes,
    /// The share's lease.
    bytes: Arc<Lease>,
    /// The state of the next message, already counted.
    came: BytesMut,
    unpacking: Option<Compressed>,
    /// The data that is passed on next.
    ready: VecDeque<Bytes>,
    ended: bool,
    /// When it was first requested.
    started: Option<Instant>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl MessageBody {
    /// For a request with these headers.
    pub fn new(body: Body, headers: &HeaderMap, rules: MessageRules, share: SharedBytes) -> Self {
        let coding = match headers.get("grpc-encoding").map(|value| value.as_bytes()) {
            Some(b"gzip") => Some(Coding::Gzip),
            Some(b"zstd") => Some(Coding::Zstd),
            _ => None,
        };
        Self {
            body,
            rules,
            coding,
            bytes: share.lease(),
            share,
            came: BytesMut::new(),
            unpacking: None,
            ready: VecDeque::new(),
            ended: false,
            started: None,
            waiting: None,
        }
    }

    /// Takes the next complete message from the received data.
    fn next_message(&mut self) -> Result<Next, Status> {
        if self.unpacking.is_some() {
            return self.unpack_on();
        }
        let Some((head, _)) = self.came.split_at_checked(HEAD) else {
            return Ok(Next::Missing);
        };
        let packed = head[0] == 1;
        let length = (&head[1..]).get_u32() as usize;
        if length > self.rules.most {
            return Err(self.too_large());
        }
        if self.came.len() < HEAD + length {
            return Ok(Next::Missing);
        }
        let mut message = self.came.split_to(HEAD + length).freeze();
        let head = message.split_to(HEAD);
        // Counted so far: header and message as received.
        let paid = HEAD + length;
        if packed && let Some(coding) = self.coding {
            let rest = Unpacking::begin(coding, message);
            self.unpacking = Some(Compressed {
                rest: rest.map_err(|error| self.broken(&error))?,
                plain: Vec::new(),
                paid,
            });
            return self.unpack_on();
        }
        self.hand_on(head, message, paid)?;
        Ok(Next::Ready)
    }

    /// Passes on an uncompressed message after its memory was counted.
    fn hand_on(&mut self, head: Bytes, message: Bytes, paid: usize) -> Result<(), Status> {
        let costs = &self.rules.costs;
        let cost = costs.of(&self.rules.path, &message, self.rules.most);
        let cost = cost
            .map_err(|_| Status::invalid_argument("the message is not a valid protocol buffer"))?;
        if cost > self.rules.most + HEAD {
            return Err(self.too_large());
        }
        self.share.change(paid, cost)?;
        self.share.hand_on(cost);
        self.ready.push_back(head);
        self.ready.push_back(message);
        Ok(())
    }

    /// Decompresses another part of a message; each step is counted before it is allocated.
    fn unpack_on(&mut self) -> Result<Next, Status> {
        let Some(mut message) = self.unpacking.take() else {
            return Ok(Next::Missing);
        };
        for _ in 0..STEPS {
            // One step beyond the bound shows that there is more.
            let most = self.rules.most + STEP;
            if let Some(room) = room_for(&message.plain, STEP, most) {
                let before = message.plain.capacity();
                self.share.change(before, room)?;
                message.paid += room.saturating_sub(before);
                message.plain.reserve_exact(room - message.plain.len());
            }
            let more = message.rest.step(&mut message.plain, self.rules.most);
            if !more.map_err(|error| self.broken(&error))? {
                let mut head = BytesMut::with_capacity(HEAD);
                head.put_u8(0);
                let length = u32::try_from(message.plain.len());
                head.put_u32(length.map_err(|_| self.too_large())?);
                self.hand_on(head.freeze(), message.plain.into(), message.paid)?;
                return Ok(Next::Ready);
            }
        }
        self.unpacking = Some(message);
        Ok(Next::UnderWay)
    }

    fn broken(&self, error: &Broken) -> Status {
        match error {
            Broken::TooLarge => self.too_large(),
            Broken::Invalid(_) => Status::invalid_argument("the message cannot be decompressed"),
        }
    }

    fn too_large(&self) -> Status {
        let message = format!(
            "the message is larger than {} bytes, or becomes so when it is unpacked or decoded; send fewer items at a time",
            self.rules.most
        );
        let status = Status::from(ApiError::new(Code::BodyTooLarge, message));
        // Like tonic, whose own limit comes after this one.
        Status::with_metadata(
            tonic::Code::OutOfRange,
            status.message(),
            status.metadata().clone(),
        )
    }

    /// Ends the body if the client has sent nothing for too long.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        let Some(patience) = self.rules.patience else {
            return Poll::Pending;
        };
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        let message = format!("no message came for {} s", patience.as_secs());
        Poll::Ready(ApiError::new(Code::RequestTimeout, message).into())
    }

    /// The lease that others may take.
    fn leases(&self) -> impl Iterator<Item = &Arc<Lease>> {
        std::iter::once(&self.bytes).chain(&self.rules.place)
    }

    /// Ready if the client was so slow that others took what the request held.
    fn poll_lost(&self, context: &mut Context<'_>) -> Poll<()> {
        // Between its messages, a stream is not late.
        if self.rules.place.is_none() && self.came.is_empty() {
            self.bytes.settled();
            return Poll::Pending;
        }
        let mut lost = Poll::Pending;
        for lease in self.leases() {
            lease.owed();
            if lease.poll_lost(context).is_ready() {
                lost = Poll::Ready(());
            }
        }
        lost
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(part)));
            }
            match self.next_message()? {
                Next::Ready => continue,
                Next::UnderWay => {
                    // Lets other tasks run in between.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Next::Missing => {}
            }
            if self.ended {
                // The rest is not a complete message: tonic reports the error.
                let rest = self.came.split().freeze();
                return Poll::Ready((!rest.is_empty()).then_some(Ok(rest)));
            }
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.waiting = None;
                    if let Ok(data) = frame.into_data() {
                        self.leases().for_each(|lease| lease.received(data.len()));
                        self.share.change(0, data.len())?;
                        self.came.extend_from_slice(&data);
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(Status::from_error(error.into()))));
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    self.leases().for_each(|lease| lease.settled());
                }
                Poll::Pending => {
                    if self.poll_lost(context).is_ready() {
                        return Poll::Ready(Some(Err(gave_way().into())));
                    }
                    let status = ready!(self.poll_patience(context));
                    return Poll::Ready(Some(Err(status)));
                }
            }
        }
    }
}

impl Drop for MessageBody {
    fn drop(&mut self) {
        self.leases().for_each(|lease| lease.settled());
    }
}

impl http_body::Body for MessageBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let started = *self.started.get_or_insert_with(Instant::now);
        let part = ready!(self.poll_message(context));
        stages::note(Stage::Read, started.elapsed());
        Poll::Ready(part.map(|part| part.map(Frame::data)))
    }
}
