//! A request's body, message by message: each is unpacked here, and pays for what it will take in memory from the server's
//! byte budget before it is decoded.
//!
//! tonic decodes what it gets, and its limit is one of bytes. So compressed messages, whose budget would be counted on the
//! wire, are unpacked before tonic sees them, and messages that would grow while they are decoded are found by
//! [`WireCosts`]. Framing: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

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
use crate::api::lease::Lease;
use crate::api::unpacking::{Broken, Coding, Unpacking};
use crate::error_code::Code;
use crate::telemetry::stages::{self, Stage};

/// A message's head: whether it is compressed, and how long it is.
const HEAD: usize = 5;

/// After so many steps others have their turn: a message of megabytes takes tenths of a second.
const STEPS: usize = 16;

/// What became of the next message.
enum Next {
    /// It is there.
    Ready,
    /// It is being unpacked.
    UnderWay,
    /// It has not come, or not all of it.
    Missing,
}

/// The rules for the messages of a request.
#[derive(Debug)]
pub struct MessageRules {
    /// The method's path.
    pub path: String,
    /// What messages cost.
    pub costs: Arc<WireCosts>,
    /// Largest message, in bytes on the wire, unpacked, and in memory.
    pub most: usize,
    /// The place that gives way to others while the one message that is all of the request is waited for; `None` for a stream.
    pub place: Option<Arc<Lease>>,
    /// A message is not waited for longer than this; `None` where something else sees to it.
    pub patience: Option<Duration>,
}

/// A body whose messages were unpacked and paid for.
pub struct MessageBody {
    body: Body,
    rules: MessageRules,
    /// How its messages are compressed; `None` if they are not, or so that tonic will refuse it by its name.
    coding: Option<Coding>,
    share: SharedBytes,
    /// The share's.
    bytes: Arc<Lease>,
    /// What came of the next message. It is paid for.
    came: BytesMut,
    /// With what its message has taken of the byte budget so far.
    unpacking: Option<(Unpacking, usize)>,
    /// What is handed on next.
    ready: VecDeque<Bytes>,
    ended: bool,
    /// When it was first asked for.
    started: Option<Instant>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl MessageBody {
    /// Of a request with these headers.
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

    /// Takes the next whole message out of what came.
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
        // Paid for so far: head and message as they came.
        let paid = HEAD + length;
        if packed && let Some(coding) = self.coding {
            let unpacking = Unpacking::begin(coding, message);
            self.unpacking = Some((unpacking.map_err(|error| self.broken(error))?, paid));
            return self.unpack_on();
        }
        self.hand_on(head, message, paid)?;
        Ok(Next::Ready)
    }

    /// Hands a plain message on, paid for by what it will take.
    fn hand_on(&mut self, head: Bytes, message: Bytes, paid: usize) -> Result<(), Status> {
        let costs = &self.rules.costs;
        let cost = costs.of(&self.rules.path, &message, self.rules.most);
        let cost =
            cost.map_err(|_| Status::invalid_argument("the message is no protocol buffer"))?;
        if cost > self.rules.most + HEAD {
            return Err(self.too_large());
        }
        self.share.change(paid, cost)?;
        self.share.hand_on(cost);
        self.ready.push_back(head);
        self.ready.push_back(message);
        Ok(())
    }

    /// Unpacks some more of a message; each step is paid for before it is there.
    fn unpack_on(&mut self) -> Result<Next, Status> {
        let Some((mut unpacking, mut paid)) = self.unpacking.take() else {
            return Ok(Next::Missing);
        };
        for _ in 0..STEPS {
            let more = unpacking.step(self.rules.most, |step| {
                paid += step;
                self.share.change(0, step)
            });
            if !more.map_err(|error| self.broken(error))? {
                let message = unpacking.plain;
                let mut head = BytesMut::with_capacity(HEAD);
                head.put_u8(0);
                head.put_u32(u32::try_from(message.len()).map_err(|_| self.too_large())?);
                self.hand_on(head.freeze(), message.into(), paid)?;
                return Ok(Next::Ready);
            }
        }
        self.unpacking = Some((unpacking, paid));
        Ok(Next::UnderWay)
    }

    fn broken(&self, error: Broken) -> Status {
        match error {
            Broken::TooLarge => self.too_large(),
            Broken::Invalid(_) => Status::invalid_argument("the message cannot be decompressed"),
            Broken::Refused(error) => error.into(),
        }
    }

    fn too_large(&self) -> Status {
        let message = format!(
            "the message is larger than {} bytes, or becomes so when it is unpacked or decoded; send fewer items at a time",
            self.rules.most
        );
        let status = Status::from(ApiError::new(Code::BodyTooLarge, message));
        // As tonic, whose own limit this one comes before.
        Status::with_metadata(
            tonic::Code::OutOfRange,
            status.message(),
            status.metadata().clone(),
        )
    }

    /// Ends the body when the client has sent nothing for too long.
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

    /// What the request holds that others may need.
    fn leases(&self) -> impl Iterator<Item = &Arc<Lease>> {
        std::iter::once(&self.bytes).chain(&self.rules.place)
    }

    /// Ready when the client was so slow that others took over what the request held.
    fn poll_lost(&self, context: &mut Context<'_>) -> Poll<()> {
        // Between its messages a stream owes nothing.
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
                    // Others are answered in between.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Next::Missing => {}
            }
            if self.ended {
                // What is left is no whole message: tonic says what that means.
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
