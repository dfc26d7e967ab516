//! A verdict: what a person says about a part.

use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The part is good.
    Ok,
    /// It is not.
    Ng,
    /// The person cannot say.
    Unsure,
}

impl Said {
    /// As it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Ng => "ng",
            Self::Unsure => "unsure",
        }
    }
}

/// A verdict as it was given, or the undoing of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its id.
    pub id: String,
    /// Milliseconds since 1970.
    pub created: i64,
    /// `ok`, `ng`, `unsure`, or `undone`.
    pub verdict: String,
    /// The kind of defect.
    pub kind: Option<String>,
    /// A sentence about the difference.
    pub caption: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The name of the caller's key; "" without keys.
    pub who: String,
}

impl FromRow<'_, AnyRow> for Verdict {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            created: row.try_get("created")?,
            verdict: row.try_get("verdict")?,
            kind: row.try_get("kind")?,
            caption: row.try_get("caption")?,
            reason: row.try_get("reason")?,
            who: row.try_get("who")?,
        })
    }
}
