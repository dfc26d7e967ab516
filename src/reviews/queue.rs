//! Pages of a line's inspections: the queue of what people look at, and the history.

use super::Reviews;
use super::error::ReviewError;
use super::inspections::{COLUMNS, Inspection};

/// Which inspections are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// `ok`, `ng` or `review`.
    pub decision: Option<&'static str>,
    /// `ok`, `ng`, `unsure`, or `none` for those without a verdict.
    pub verdict: Option<&'static str>,
    /// Only what the hash chose for a person, or only what it did not choose.
    pub audit: Option<bool>,
    /// Only what the client calls so.
    pub part: Option<String>,
    /// Only parts of this lot.
    pub lot: Option<String>,
    /// The newest first, and not the oldest.
    pub newest: bool,
    /// Only what comes after this id.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Inspections, the oldest or the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The inspections.
    pub data: Vec<Inspection>,
    /// What to ask for the next page with; `None` on the last one.
    pub next: Option<String>,
}

impl Reviews {
    /// A page.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn page(&self, line: &str, filter: &Filter) -> Result<Page, ReviewError> {
        let (beyond, order) = match (filter.newest, &filter.after) {
            (false, _) => ("id > $2", "id"),
            (true, Some(_)) => ("id < $2", "id DESC"),
            (true, None) => ("id <> $2", "id DESC"),
        };
        let mut sql = format!("SELECT {COLUMNS} FROM inspections WHERE line = $1 AND {beyond}");
        let mut values = Vec::new();
        let wanted = [
            ("decision", filter.decision),
            ("verdict", filter.verdict),
            ("part", filter.part.as_deref()),
            ("lot", filter.lot.as_deref()),
        ];
        for (column, value) in wanted {
            if let Some(value) = value {
                values.push(value);
                sql.push_str(&format!(" AND {column} = ${}", values.len() + 3));
            }
        }
        match filter.audit {
            Some(true) => sql.push_str(" AND audit = 1"),
            Some(false) => sql.push_str(" AND audit = 0"),
            None => {}
        }
        // One more than wanted says whether there is a next page.
        sql.push_str(&format!(" ORDER BY {order} LIMIT $3"));
        let limit = i64::try_from(filter.limit.saturating_add(1)).unwrap_or(i64::MAX);
        let after = filter.after.as_deref().unwrap_or_default();
        let mut query = sqlx::query(&sql).bind(line).bind(after).bind(limit);
        for value in values {
            query = query.bind(value);
        }
        let rows = query.fetch_all(&self.database.read).await?;
        let rows = rows.iter().map(Inspection::read);
        let mut data: Vec<_> = rows.collect::<Result<_, _>>()?;
        let more = data.len() > filter.limit;
        data.truncate(filter.limit);
        let next = data.last().filter(|_| more).map(|last| last.id.clone());
        Ok(Page { data, next })
    }
}
