//! The audit trail: who did what, and when.

use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use super::error::ReviewError;
use super::{Reviews, new_id, now};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A line was created or changed.
    LinePut,
    /// A line was deleted.
    LineDeleted,
    /// Labelled parts were added.
    PartsAdded,
    /// Another model has scored the parts.
    PartsScored,
    /// A line was calibrated.
    Calibrated,
    /// A line decides with another model.
    Promoted,
    /// A line decides with the model of before again.
    RolledBack,
    /// Parts that people found OK became references of a line.
    ReferencesAdded,
    /// Another model decides beside that of a line.
    ShadowStarted,
    /// It does no more.
    ShadowEnded,
    /// A person said what a part is.
    Verdict,
    /// A verdict was undone.
    VerdictUndone,
    /// A monitor says that parts or pictures have changed.
    Drift,
    /// A person ended the alarm.
    DriftDismissed,
    /// Triggers are missing.
    TriggerGap,
    /// An image was deleted.
    ImageDeleted,
    /// A copy of an inspection was planted in the queue.
    Planted,
    /// A planted copy was taken out of the queue.
    Unplanted,
    /// An inspection had been answered before under its idempotency key, and the database could not be asked.
    AnsweredTwice,
}

impl What {
    /// As it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::LinePut => "line_put",
            Self::LineDeleted => "line_deleted",
            Self::PartsAdded => "parts_added",
            Self::PartsScored => "parts_scored",
            Self::Calibrated => "calibrated",
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled_back",
            Self::ReferencesAdded => "references_added",
            Self::ShadowStarted => "shadow_started",
            Self::ShadowEnded => "shadow_ended",
            Self::Verdict => "verdict",
            Self::VerdictUndone => "verdict_undone",
            Self::Drift => "drift",
            Self::DriftDismissed => "drift_dismissed",
            Self::TriggerGap => "trigger_gap",
            Self::ImageDeleted => "image_deleted",
            Self::Planted => "planted",
            Self::Unplanted => "unplanted",
            Self::AnsweredTwice => "answered_twice",
        }
    }
}

/// One row of the trail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The name of the caller's key; "" without keys, and `server` for what the server does by itself.
    pub who: String,
    /// What happened.
    pub what: What,
    /// The line.
    pub line: String,
    /// The inspection, if it is about one.
    pub inspection: Option<String>,
    /// More, as JSON.
    pub detail: serde_json::Value,
}

/// An event with its id and its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Dated {
    pub id: String,
    pub created: i64,
    pub event: Event,
}

/// Events that happen now.
pub(super) fn dated(events: &[Event]) -> Vec<Dated> {
    let dated = events.iter().map(|event| Dated {
        id: new_id(),
        created: now(),
        event: event.clone(),
    });
    dated.collect()
}

impl Event {
    /// Writes it, as a part of a change.
    pub(super) async fn write(&self, to: &mut AnyConnection) -> Result<(), ReviewError> {
        self.write_as(to, &new_id(), now()).await
    }

    /// Writes it with an id and a time. One with this id may be there.
    pub(super) async fn write_as(
        &self,
        to: &mut AnyConnection,
        id: &str,
        created: i64,
    ) -> Result<(), ReviewError> {
        sqlx::query(
            "INSERT INTO events (id, created, who, what, line, inspection, detail) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(id)
        .bind(created)
        .bind(&self.who)
        .bind(self.what.name())
        .bind(&self.line)
        .bind(&self.inspection)
        .bind(self.detail.to_string())
        .execute(to)
        .await?;
        Ok(())
    }
}

impl Reviews {
    /// Adds an event by itself.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn note(&self, event: &Event) -> Result<(), ReviewError> {
        let mut connection = self.database.write.acquire().await?;
        event.write(&mut connection).await
    }

    /// Number of events of a kind about a line.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn events(&self, line: &str, what: What) -> Result<u64, ReviewError> {
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM events WHERE line = $1 AND what = $2")
                .bind(line)
                .bind(what.name())
                .fetch_one(&self.database.read)
                .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Id and detail of a line's last event of a kind.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn last_event(
        &self,
        line: &str,
        what: What,
    ) -> Result<Option<(String, String)>, ReviewError> {
        let found = sqlx::query_as(
            "SELECT id, detail FROM events WHERE line = $1 AND what = $2 ORDER BY id DESC LIMIT 1",
        );
        let found = found.bind(line).bind(what.name());
        Ok(found.fetch_optional(&self.database.read).await?)
    }
}
