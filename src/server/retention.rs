//! Deletes images of inspections that are kept no longer.

use std::sync::Arc;
use std::time::Duration;

use crate::api::AppState;

/// Between the start and the first time, at most: the server has other work then.
const FIRST: Duration = Duration::from_secs(60);

/// Looks for old images, with a pause between two times.
pub async fn follow(state: Arc<AppState>, pause: Duration) {
    tokio::time::sleep(FIRST.min(pause)).await;
    loop {
        state.lines.keep_retention().await;
        tokio::time::sleep(pause).await;
    }
}
