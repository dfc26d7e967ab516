//! Decides inspections once more, with the shadows of their lines, in the time that other work leaves.

use std::sync::Arc;
use std::time::Duration;

use crate::api::AppState;
use crate::calls;
use crate::lines::{LineError, Shadow, Shadowed};

/// Between two looks for shadows that were started or ended, perhaps by another server.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks for shadows, and has them decide, one inspection after another.
pub async fn follow(state: Arc<AppState>) {
    let looking = async {
        let mut is_away = false;
        loop {
            let looked = look(&state).await;
            if let Err(error) = &looked
                && !is_away
            {
                tracing::error!(%error, "the shadows of lines cannot be read");
            }
            is_away = looked.is_err();
            tokio::time::sleep(PAUSE).await;
        }
    };
    let deciding = async {
        while let Some(next) = state.shadows.next().await {
            decide(&state, next).await;
        }
    };
    tokio::join!(looking, deciding);
}

/// Uses the shadows that run, of lines as they are now.
async fn look(state: &AppState) -> Result<(), LineError> {
    let Some(reviews) = state.lines.reviews() else {
        return Ok(());
    };
    reviews.check_reachable()?;
    let mut shadows = Vec::new();
    for stored in reviews.shadows().await? {
        match state.lines.get(&stored.line).await {
            Ok(line) => shadows.push(Shadow::of(&stored, &line)?),
            Err(LineError::Unknown(_)) => {}
            Err(error) => return Err(error),
        }
    }
    state.shadows.set(shadows);
    Ok(())
}

async fn decide(state: &AppState, next: Shadowed) {
    let line = next.shadow.line.clone();
    let inspection = next.inspection.clone();
    let outcome = match calls::shadow_decides(state, next).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::warn!(
                line,
                inspection,
                error = error.message,
                "a shadow could not decide an inspection"
            );
            "failed"
        }
    };
    state.metrics.lines.shadowed(&line, outcome);
}
