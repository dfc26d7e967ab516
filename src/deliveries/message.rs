//! A message: what is sent about an inspection, a verdict, its undoing, or an alarm.

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::pseudonyms::Pseudonyms;

/// A message that waits, with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// That of the inspection, the verdict or the event.
    pub id: String,
    /// The line.
    pub line: String,
    /// What it tells of.
    pub event: String,
    /// JSON.
    pub body: String,
    /// When it was put into the outbox, in milliseconds since 1970.
    pub queued: i64,
    /// How many times the receiver has refused it.
    pub refusals: i64,
}

/// The body.
#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    event: &'a str,
    line: &'a str,
    created: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<Box<RawValue>>,
    /// The answer, digit by digit as it was given.
    inspection: Option<Box<RawValue>>,
}

/// What a person said, or `undone`.
#[derive(Serialize)]
struct Said {
    verdict: String,
    kind: Option<String>,
    caption: Option<String>,
    reason: Option<String>,
    who: Option<String>,
}

impl Message {
    /// From a row of the outbox that is joined with what it tells of.
    ///
    /// # Errors
    /// That of the database, for a row of another shape.
    pub fn read(row: &AnyRow, pseudonyms: Option<&Pseudonyms>) -> Result<Self, sqlx::Error> {
        let raw = |column: &str| -> Result<Option<Box<RawValue>>, sqlx::Error> {
            let text: Option<String> = row.try_get(column)?;
            let json = text.map(RawValue::from_string).transpose();
            json.map_err(|error| sqlx::Error::Decode(error.into()))
        };
        let verdict: Option<String> = row.try_get("verdict")?;
        let said = match verdict {
            None => None,
            Some(verdict) => Some(Said {
                verdict,
                kind: row.try_get("kind")?,
                caption: row.try_get("caption")?,
                reason: row.try_get("reason")?,
                who: row
                    .try_get::<Option<String>, _>("who")?
                    .map(|who| pseudonyms.map_or(who.clone(), |words| words.of(&who))),
            }),
        };
        let times: [Option<i64>; 3] = [
            row.try_get("said")?,
            row.try_get("happened")?,
            row.try_get("inspected")?,
        ];
        let (id, line, event): (String, String, String) = (
            row.try_get("id")?,
            row.try_get("line")?,
            row.try_get("event")?,
        );
        let queued = row.try_get("queued")?;
        let body = Body {
            id: &id,
            event: &event,
            line: &line,
            created: times.into_iter().flatten().next().unwrap_or(queued),
            verdict: said,
            drift: raw("detail")?,
            inspection: raw("answer")?,
        };
        let body = serde_json::to_string(&body);
        let body = body.map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Self {
            id,
            line,
            event,
            body,
            queued,
            refusals: row.try_get("refusals")?,
        })
    }
}
