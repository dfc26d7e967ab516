//! Drops answers that their client does not read, or reads too slowly.
//!
//! HTTP/2 has a flow-control window for each answer. A client that opens none leaves answers unsent although it reads
//! everything else on the connection, so [`stalled_writes`](super::stalled_writes) does not detect it. Such an answer
//! would keep its memory, and a stream its slot among the server's requests, for as long as the connection stays open.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Version;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// An answer is passed on in parts of this many bytes, one HTTP/2 frame each, because data that was passed on cannot be
/// dropped.
const PART: usize = 16 << 10;

/// Over HTTP/1 a smaller answer is passed to the connection as a whole; [`stalled_writes`](super::stalled_writes) watches
/// that.
const LARGE: u64 = 256 << 10;

/// Minimum rate in bytes per second at which an answer of known length must be read, in addition to twice the patience. So a
/// client that reads very slowly cannot keep an answer in memory for long.
const BYTES_A_SECOND: u64 = 1 << 20;

/// Drops an answer if its client reads nothing of it for `patience`, or reads it too slowly.
pub async fn drop_stalled(
    State(patience): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    let version = request.version();
    let response = next.run(request).await;
    let length = response.body().size_hint().exact();
    let is_small = length.is_some_and(|length| length <= LARGE);
    if response.body().is_end_stream() || (version < Version::HTTP_2 && is_small) {
        return response;
    }
    let longest = length.map(|length| 2 * patience + Duration::from_secs(length / BYTES_A_SECOND));
    response.map(|body| Body::new(Watched::new(body, patience, longest)))
}

/// A body that is dropped if its client does not read it.
struct Watched {
    shared: Arc<Mutex<Shared>>,
    watch: AbortHandle,
}

struct Shared {
    /// `None` at its end, or after it was dropped.
    body: Option<Body>,
    /// The rest of a frame whose first parts were passed on.
    rest: Bytes,
    /// Since when the client could have read more. `None` while there is no data.
    offered: Option<Instant>,
    dropped: bool,
}

impl Watched {
    /// Drops it if nothing was read for `patience`, or not everything within `longest`.
    fn new(body: Body, patience: Duration, longest: Option<Duration>) -> Self {
        let shared = Arc::new(Mutex::new(Shared {
            body: Some(body),
            rest: Bytes::new(),
            offered: Some(Instant::now()),
            dropped: false,
        }));
        let watch = tokio::spawn(watch(shared.clone(), patience, longest)).abort_handle();
        Self { shared, watch }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

async fn watch(shared: Arc<Mutex<Shared>>, patience: Duration, longest: Option<Duration>) {
    let begin = Instant::now();
    let end = longest.map(|longest| begin + longest);
    let mut due = begin + patience;
    loop {
        sleep_until(end.map_or(due, |end| due.min(end))).await;
        let now = Instant::now();
        let mut state = shared.lock();
        if state.body.is_none() && state.rest.is_empty() {
            return;
        }
        due = state.offered.unwrap_or(now) + patience;
        if due <= now || end.is_some_and(|end| end <= now) {
            tracing::debug!(
                "answer dropped: its client read nothing of it for too long, or reads it too slowly"
            );
            state.dropped = true;
            state.rest = Bytes::new();
            let body = state.body.take();
            drop(state);
            // Dropping may take long, so the lock is not held meanwhile.
            drop(body);
            return;
        }
    }
}

impl Shared {
    fn next_part(&mut self) -> Frame<Bytes> {
        let part = self.rest.split_to(self.rest.len().min(PART));
        Frame::data(part)
    }

    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.next_part())));
        }
        let Some(body) = &mut self.body else {
            let gave_up = self.dropped.then(|| {
                Err(axum::Error::new(
                    "the client read nothing of the answer for too long",
                ))
            });
            return Poll::Ready(gave_up);
        };
        let frame = match Pin::new(body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(end) => {
                self.body = None;
                return Poll::Ready(end);
            }
            Poll::Pending => return Poll::Pending,
        };
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(data) => {
                self.rest = data;
                self.next_part()
            }
            Err(trailers) => trailers,
        })))
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut state = self.shared.lock();
        let frame = state.poll_frame(context);
        state.offered = frame.is_ready().then(Instant::now);
        frame
    }

    fn is_end_stream(&self) -> bool {
        let state = self.shared.lock();
        let ended = state.body.as_ref().is_none_or(Body::is_end_stream);
        ended && state.rest.is_empty() && !state.dropped
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.shared.lock();
        let rest = state.rest.len() as u64;
        let hint = state
            .body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint);
        match hint.exact() {
            Some(exact) => SizeHint::with_exact(exact + rest),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt as _;
    use tokio::time::sleep;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(200);

    /// A body of some chunks, after which `_alive` is dropped with it; `endless` bodies then wait for more.
    fn body(chunks: Vec<Bytes>, endless: bool, alive: Arc<()>) -> Body {
        use futures_util::StreamExt as _;
        let chunks = stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
        let more = if endless {
            stream::pending().left_stream()
        } else {
            stream::empty().right_stream()
        };
        Body::from_stream(chunks.chain(more).inspect(move |_| {
            let _ = &alive;
        }))
    }

    #[tokio::test]
    async fn an_unread_answer_is_dropped() {
        let alive = Arc::new(());
        let large = Bytes::from(vec![7; 10 * PART]);
        for taken in [0, 1] {
            let mut watched = Watched::new(
                body(vec![large.clone()], false, alive.clone()),
                PATIENCE,
                None,
            );
            for _ in 0..taken {
                let frame = watched.frame().await.unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap().len(), PART);
            }
            assert_eq!(Arc::strong_count(&alive), 2);
            sleep(3 * PATIENCE).await;
            assert_eq!(Arc::strong_count(&alive), 1, "after {taken} parts");
            assert!(
                !watched.is_end_stream(),
                "half an answer must not look like a whole one"
            );
            assert!(watched.frame().await.unwrap().is_err());
        }
    }

    #[tokio::test]
    async fn a_slow_client_gets_everything_in_order() {
        let chunks: Vec<Bytes> = [3, PART, 2 * PART + 1, 1]
            .into_iter()
            .enumerate()
            .map(|(i, length)| Bytes::from(vec![i as u8; length]))
            .collect();
        let whole = chunks.concat();
        let mut watched = Watched::new(body(chunks, false, Arc::new(())), PATIENCE, None);
        let mut found = Vec::new();
        while let Some(frame) = watched.frame().await {
            found.extend_from_slice(&frame.unwrap().into_data().unwrap());
            sleep(PATIENCE / 2).await;
        }
        assert!(found == whole);
    }

    #[tokio::test]
    async fn an_answer_without_data_yet_is_not_dropped() {
        let alive = Arc::new(());
        let mut watched = Watched::new(
            body(vec![Bytes::from("a")], true, alive.clone()),
            PATIENCE,
            None,
        );
        watched.frame().await.unwrap().unwrap();
        let more = tokio::time::timeout(3 * PATIENCE, watched.frame()).await;
        assert!(more.is_err(), "it waits");
        assert_eq!(Arc::strong_count(&alive), 2);
    }

    #[tokio::test]
    async fn a_client_that_reads_very_slowly_is_disconnected() {
        let alive = Arc::new(());
        let large = Bytes::from(vec![7; 100 * PART]);
        let body = body(vec![large], false, alive.clone());
        let mut watched = Watched::new(body, PATIENCE, Some(2 * PATIENCE));
        let mut taken = 0;
        while let Some(Ok(_)) = watched.frame().await {
            taken += 1;
            sleep(PATIENCE / 4).await;
        }
        assert!((4..20).contains(&taken), "{taken} of 100 parts");
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
