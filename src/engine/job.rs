//! One item on its way through the queue.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::error::EngineError;
use crate::preprocess::Pixels;
pub use crate::runtime::Embedding;
use crate::runtime::Encoded;

/// When an answer is no longer useful.
pub type Deadline = Option<Instant>;

/// The lane in which an item waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lane {
    /// A client waits for the answer.
    #[default]
    Interactive,
    /// A catalogue job: it gets the capacity that interactive requests leave.
    Bulk,
}

impl Lane {
    /// Both lanes.
    pub const ALL: [Self; 2] = [Self::Interactive, Self::Bulk];

    /// Name in metrics and headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }
}

/// Image or text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Modality {
    /// Runs on the image encoder.
    Image,
    /// Runs on the text encoder.
    Text,
}

impl Modality {
    /// Name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Text => "text",
        }
    }
}

/// An item ready for an encoder.
#[derive(Debug)]
pub enum Input {
    /// Preprocessed pixels.
    Image(Pixels),
    /// Token ids.
    Text(Vec<u32>),
}

/// An input with the channel for its answer.
#[derive(Debug)]
pub struct Job {
    pub input: Input,
    /// Whether the patches of an image are wanted too.
    pub patches: bool,
    pub deadline: Deadline,
    pub enqueued: Instant,
    /// Its position in its lane, which the queue gives it: see [`super::queue`].
    pub rank: u64,
    pub reply: oneshot::Sender<Result<EncoderResult, EngineError>>,
    /// The request's span, for log lines of a worker about the item.
    pub span: tracing::Span,
}

/// What the worker answers for an input.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderResult {
    pub encoded: Encoded,
    /// How long it waited for its batch.
    pub queued: Duration,
    /// How long its batch ran.
    pub inference: Duration,
}

impl Job {
    /// The receiver was dropped.
    pub fn is_cancelled(&self) -> bool {
        self.reply.is_closed()
    }

    pub fn is_expired(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Answers with what a batch computed that was taken and started at these times.
    pub fn succeed(self, encoded: Encoded, taken: Instant, started: Instant) {
        let result = EncoderResult {
            encoded,
            queued: taken.saturating_duration_since(self.enqueued),
            inference: started.elapsed(),
        };
        // The receiver may have been dropped meanwhile; the answer is dropped then.
        let _ = self.reply.send(Ok(result));
    }

    pub fn fail(self, error: EngineError) {
        let _ = self.reply.send(Err(error));
    }
}
