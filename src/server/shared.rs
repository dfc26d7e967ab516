//! Looks every second for what other servers of the same database have changed: label sets, references, and lines.

use std::sync::Arc;
use std::time::Duration;

use crate::api::AppState;

/// Between two times.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks again and again. While the database is away, all stays as it is; that is logged once.
pub async fn follow(state: Arc<AppState>) {
    let mut is_away = false;
    loop {
        tokio::time::sleep(PAUSE).await;
        let looked = look(&state).await;
        if let Err(reason) = &looked
            && !is_away
        {
            tracing::error!(reason, "what other servers have changed cannot be read");
        }
        is_away = looked.is_err();
    }
}

async fn look(state: &AppState) -> Result<(), String> {
    let sets = state.labelsets.read_again().await;
    let sets = sets.map_err(|error| error.to_string())?;
    let references = state.references.read_again().await;
    let references = references.map_err(|error| error.to_string())?;
    for (what, found) in [("label sets", sets), ("references", references)] {
        let (new, changed, removed) = (found.new, found.changed, found.removed);
        if new + changed + removed > 0 {
            tracing::info!(what, new, changed, removed, "changed by another server");
        }
    }
    if sets.new + sets.changed > 0 {
        state.embed_labelsets().await;
    }
    let lines = state.lines.look_again().await;
    lines.map_err(|error| error.to_string())
}
