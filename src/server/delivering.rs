//! Begins to deliver messages to the sinks.

use std::sync::Arc;
use std::time::Duration;

use crate::api::AppState;

/// Between two looks for the store.
const PAUSE: Duration = Duration::from_millis(200);

/// Begins as soon as lines have a store: it is opened with the first line.
pub async fn start(state: Arc<AppState>) {
    if state.couriers.sinks().is_empty() {
        return;
    }
    loop {
        if let Some(reviews) = state.lines.reviews() {
            state.couriers.start(reviews.outbox(), &state.metrics);
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
