//! Deletes images of inspections that are kept no longer.

use std::sync::Arc;
use std::time::Duration;

use crate::api::AppState;

/// Between the start and the first time: the server has other work then.
const FIRST: Duration = Duration::from_secs(60);

/// Between two times.
const PAUSE: Duration = Duration::from_secs(3600);

/// Looks for old images every hour.
pub async fn follow(state: Arc<AppState>) {
    tokio::time::sleep(FIRST).await;
    loop {
        state.lines.keep_retention().await;
        tokio::time::sleep(PAUSE).await;
    }
}
