//! What people say about inspected parts. Rows are only added: a verdict is undone by a row, and never overwritten.

use sqlx::AnyConnection;

use super::error::ReviewError;
use super::events::{Event, What};
use super::verdict::{Said, Verdict};
use super::{Reviews, leases, new_id, now, planted_items};
use crate::deliveries::{News, Occasion};

impl Reviews {
    /// Adds a verdict, and ends the claim on the inspection. The same idempotency key again gives the verdict that was added
    /// then, also if it was undone since. What is said of a planted item is noted apart.
    ///
    /// # Errors
    /// [`ReviewError::NoInspection`]; [`ReviewError::VerdictExists`] if there is one that was not undone; and others.
    pub async fn judge(
        &self,
        inspection: &str,
        said: Said,
        [kind, caption, reason]: [Option<String>; 3],
        (who, key): (&str, Option<&str>),
    ) -> Result<Verdict, ReviewError> {
        let verdict = Verdict {
            id: new_id(),
            created: now(),
            verdict: said.name().to_owned(),
            kind,
            caption,
            reason,
            who: who.to_owned(),
        };
        let mut change = self.database.write.begin().await?;
        if let Some(key) = key
            && let Some(known) = by_key(&mut change, inspection, key).await?
        {
            return Ok(known);
        }
        let line: Option<String> = sqlx::query_scalar(
            "UPDATE inspections SET verdict = $2 WHERE id = $1 AND verdict = 'none' RETURNING line",
        )
        .bind(inspection)
        .bind(said.name())
        .fetch_optional(&mut *change)
        .await?;
        let Some(line) = line else {
            let noted = planted_items::judge(&mut change, inspection, said, &verdict).await?;
            if noted.is_some() {
                change.commit().await?;
                return Ok(verdict);
            }
            // Another server may have added the verdict of this key since.
            if let Some(key) = key
                && let Some(known) = by_key(&mut change, inspection, key).await?
            {
                return Ok(known);
            }
            drop(change);
            let known = self.inspection(inspection).await?.verdict;
            return Err(ReviewError::VerdictExists(known.unwrap_or_default()));
        };
        add(&mut change, inspection, &verdict, key).await?;
        leases::end(&mut change, inspection).await?;
        let news = News {
            id: &verdict.id,
            line: &line,
            event: Occasion::Verdict,
            inspection,
            decision: None,
        };
        self.outbox.add(&mut change, news).await?;
        let event = Event {
            who: who.to_owned(),
            what: What::Verdict,
            line,
            inspection: Some(inspection.to_owned()),
            detail: serde_json::json!({"verdict": said.name()}),
        };
        event.write(&mut change).await?;
        change.commit().await?;
        self.outbox.wake();
        Ok(verdict)
    }

    /// Undoes the verdict.
    ///
    /// # Errors
    /// [`ReviewError::NoInspection`], [`ReviewError::NoVerdict`], and others.
    pub async fn undo(&self, inspection: &str, who: &str) -> Result<(), ReviewError> {
        let mut change = self.database.write.begin().await?;
        let line: Option<String> = sqlx::query_scalar(
            "UPDATE inspections SET verdict = 'none' WHERE id = $1 AND verdict <> 'none' RETURNING line",
        )
        .bind(inspection)
        .fetch_optional(&mut *change)
        .await?;
        let Some(line) = line else {
            let undone = planted_items::undo(&mut change, inspection, who).await?;
            if undone.is_some() {
                change.commit().await?;
                return Ok(());
            }
            drop(change);
            self.inspection(inspection).await?;
            return Err(ReviewError::NoVerdict);
        };
        let undone = Verdict {
            id: new_id(),
            created: now(),
            verdict: "undone".to_owned(),
            kind: None,
            caption: None,
            reason: None,
            who: who.to_owned(),
        };
        add(&mut change, inspection, &undone, None).await?;
        let news = News {
            id: &undone.id,
            line: &line,
            event: Occasion::VerdictUndone,
            inspection,
            decision: None,
        };
        self.outbox.add(&mut change, news).await?;
        let event = Event {
            who: who.to_owned(),
            what: What::VerdictUndone,
            line,
            inspection: Some(inspection.to_owned()),
            detail: serde_json::json!({}),
        };
        event.write(&mut change).await?;
        change.commit().await?;
        self.outbox.wake();
        Ok(())
    }

    /// All verdicts about an inspection and their undoing, the oldest first.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn verdicts(&self, inspection: &str) -> Result<Vec<Verdict>, ReviewError> {
        let all = sqlx::query_as(
            "SELECT id, created, verdict, kind, caption, reason, who FROM verdicts WHERE inspection = $1 ORDER BY id",
        );
        Ok(all.bind(inspection).fetch_all(&self.database.read).await?)
    }
}

/// The verdict of an inspection that came with a key.
async fn by_key(
    from: &mut AnyConnection,
    inspection: &str,
    key: &str,
) -> Result<Option<Verdict>, ReviewError> {
    let found = sqlx::query_as(
        "SELECT id, created, verdict, kind, caption, reason, who FROM verdicts \
         WHERE inspection = $1 AND idempotency_key = $2",
    );
    let found = found.bind(inspection).bind(key);
    Ok(found.fetch_optional(from).await?)
}

async fn add(
    to: &mut AnyConnection,
    inspection: &str,
    verdict: &Verdict,
    key: Option<&str>,
) -> Result<(), ReviewError> {
    sqlx::query(
        "INSERT INTO verdicts (id, created, inspection, verdict, kind, caption, reason, who, idempotency_key) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&verdict.id)
    .bind(verdict.created)
    .bind(inspection)
    .bind(&verdict.verdict)
    .bind(&verdict.kind)
    .bind(&verdict.caption)
    .bind(&verdict.reason)
    .bind(&verdict.who)
    .bind(key)
    .execute(to)
    .await?;
    Ok(())
}
