//! Times of the stages of a request, for its `server-timing` header and the metrics.
//!
//! The times belong to the task that answers the request, like its log span. So a stage can record its time anywhere in the
//! code without passing a context.

use std::cell::Cell;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// A stage between request and response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The body arrives.
    Read,
    /// Items are decoded, resized and tokenised, including the wait for a free thread.
    Prepare,
    /// A prepared item waits for its batch.
    Queue,
    /// The encoder runs the batch.
    Inference,
    /// The embeddings are processed: scores, ranking, the text of the answer.
    Post,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Prepare,
        Self::Queue,
        Self::Inference,
        Self::Post,
    ];

    /// Name in metrics and headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Prepare => "prepare",
            Self::Queue => "queue",
            Self::Inference => "inference",
            Self::Post => "post",
        }
    }
}

/// The times of a request so far.
#[derive(Debug, Default)]
struct Stages {
    /// The longest time of each stage.
    longest: [Cell<Option<Duration>>; Stage::ALL.len()],
    /// Time of its last embedding.
    embedded: Cell<Option<Instant>>,
}

tokio::task_local! {
    static STAGES: Stages;
}

/// Runs a request and stores the times that it records.
pub async fn measured<F: Future>(request: F) -> F::Output {
    STAGES.scope(Stages::default(), request).await
}

/// Records the time of a stage of the current request. Of several items the longest counts. Outside a measured request, such
/// as on the command line, nothing happens.
pub fn note(stage: Stage, took: Duration) {
    let _ = STAGES.try_with(|stages| {
        let longest = &stages.longest[stage as usize];
        longest.set(longest.get().max(Some(took)));
    });
}

/// Records that the embeddings of the current request are complete: its last stage begins.
pub fn note_embedded() {
    let _ = STAGES.try_with(|stages| stages.embedded.set(Some(Instant::now())));
}

/// Ends the last stage of the current request, after its answer.
pub fn end() {
    let _ = STAGES.try_with(|stages| {
        if let Some(embedded) = stages.embedded.get() {
            note(Stage::Post, embedded.elapsed());
        }
    });
}

/// The stages of the current request, and their times.
pub fn times() -> Vec<(Stage, Duration)> {
    let found = STAGES.try_with(|stages| {
        let time = |stage: Stage| Some((stage, stages.longest[stage as usize].get()?));
        Stage::ALL.into_iter().filter_map(time).collect()
    });
    found.unwrap_or_default()
}

/// The value of `server-timing`, in milliseconds: the stages of the current request, and its total.
pub fn server_timing(total: Duration) -> String {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let mut text = String::new();
    let _ = STAGES.try_with(|stages| {
        for stage in Stage::ALL {
            if let Some(time) = stages.longest[stage as usize].get() {
                // Writing to a string cannot fail.
                let _ = write!(text, "{};dur={:.3}, ", stage.name(), milliseconds(time));
            }
        }
    });
    let _ = write!(text, "total;dur={:.3}", milliseconds(total));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_of_each_stage_counts_and_requests_do_not_mix() {
        let ms = Duration::from_millis;
        let one = measured(async {
            note(Stage::Queue, ms(3));
            tokio::task::yield_now().await;
            note(Stage::Queue, ms(1));
            note(Stage::Read, Duration::from_micros(1500));
            server_timing(ms(9))
        });
        let other = measured(async { server_timing(ms(2)) });
        let (one, other) = tokio::join!(one, other);
        assert_eq!(one, "read;dur=1.500, queue;dur=3.000, total;dur=9.000");
        assert_eq!(other, "total;dur=2.000");
    }

    #[test]
    fn nothing_is_kept_outside_a_request() {
        note(Stage::Inference, Duration::from_secs(1));
        assert_eq!(server_timing(Duration::ZERO), "total;dur=0.000");
    }
}
