//! Corrections: what people said about inspected parts, and whether it may train a model.

use sqlx::any::AnyRow;
use sqlx::{FromRow, Row as _};

use super::Reviews;
use super::error::ReviewError;
use super::verdict::Verdict;

/// Why a correction must not train a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// The random audit chose the part: its verdict bounds what was shipped, and may calibrate the line.
    Audit,
    /// Its images are those of a labelled part, which calibrates the line.
    Calibration,
    /// Its images were deleted.
    ImagesDeleted,
}

impl LeftOut {
    /// As it is written in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Calibration => "calibration",
            Self::ImagesDeleted => "images deleted",
        }
    }
}

/// An inspection whose verdict is OK or NG.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// Id of the inspection.
    pub id: String,
    /// `ok`, `ng` or `review`.
    pub decision: String,
    /// The answer, as it was given.
    pub answer: String,
    /// [`super::ImageHash::of_all`] of its images.
    pub content: String,
    /// The verdict that was not undone.
    pub verdict: Verdict,
    /// Why it must not train a model.
    pub left_out: Option<LeftOut>,
}

impl FromRow<'_, AnyRow> for Correction {
    fn from_row(row: &AnyRow) -> Result<Self, sqlx::Error> {
        let is = |column: &str| Ok::<_, sqlx::Error>(row.try_get::<i64, _>(column)? != 0);
        let left_out = if is("audit")? {
            Some(LeftOut::Audit)
        } else if is("calibrates")? {
            Some(LeftOut::Calibration)
        } else if is("incomplete")? {
            Some(LeftOut::ImagesDeleted)
        } else {
            None
        };
        Ok(Self {
            id: row.try_get("inspection_id")?,
            decision: row.try_get("decision")?,
            answer: row.try_get("answer")?,
            content: row.try_get("content")?,
            verdict: Verdict::from_row(row)?,
            left_out,
        })
    }
}

impl Reviews {
    /// Corrections of a line after an inspection's id, the oldest inspection first, at most so many.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn corrections(
        &self,
        line: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<Correction>, ReviewError> {
        // Each half is read from an index in the order of ids.
        let half = |verdict: &str| {
            format!(
                "SELECT * FROM (SELECT * FROM inspections WHERE line = $1 AND verdict = '{verdict}' AND id > $2 \
                 ORDER BY id LIMIT $3) AS those_{verdict}"
            )
        };
        let sql = format!(
            "SELECT found.id AS inspection_id, found.decision, found.answer, found.content, found.audit, \
             CASE WHEN EXISTS (SELECT 1 FROM parts WHERE parts.line = found.line AND parts.content = found.content) \
             THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS calibrates, \
             CASE WHEN EXISTS (SELECT 1 FROM inspection_images WHERE inspection = found.id AND deleted <> 0) \
             THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS incomplete, \
             verdicts.id, verdicts.created, verdicts.verdict, verdicts.kind, verdicts.caption, verdicts.reason, verdicts.who \
             FROM ({} UNION ALL {}) AS found JOIN verdicts ON verdicts.id = \
             (SELECT MAX(id) FROM verdicts AS those WHERE those.inspection = found.id) \
             ORDER BY found.id LIMIT $3",
            half("ok"),
            half("ng"),
        );
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let found = sqlx::query_as(&sql).bind(line).bind(after).bind(most);
        Ok(found.fetch_all(&self.database.read).await?)
    }
}
