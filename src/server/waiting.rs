//! Stores the inspections that wait for the database.

use std::sync::Arc;
use std::time::Duration;

use crate::api::AppState;

/// Between two times.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks every second whether the database is back.
pub async fn follow(state: Arc<AppState>) {
    loop {
        if let Some(reviews) = state.lines.reviews() {
            reviews.store_waiting().await;
            state.metrics.lines.waiting(reviews.waiting());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
