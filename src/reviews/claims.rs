//! Claims: a reviewer's page reserves its next inspections for a while, so that two people never review the same one.

use std::collections::HashSet;

use sqlx::{AnyConnection, Row as _};

use super::error::ReviewError;
use super::inspections::{COLUMNS, Inspection};
use super::leases::{self, LEASE};
use super::{Reviews, now, planted_items, shadows};

/// What waits is counted so far.
const MOST_COUNTED: i64 = 1000;

/// What a page asks for.
#[derive(Debug, Clone, Default)]
pub struct Claim<'a> {
    /// The line.
    pub line: &'a str,
    /// The page: another tab is another session.
    pub session: &'a str,
    /// The name of the caller's key; "" without keys.
    pub who: &'a str,
    /// Items that the session holds afterwards, at most.
    pub limit: usize,
    /// `Some(true)`: only what the hash chose; `Some(false)`: only what the line was unsure about.
    pub audit: Option<bool>,
    /// Only parts of this lot.
    pub lot: Option<&'a str>,
    /// An item that is wanted again, after its verdict was undone. It comes first.
    pub again: Option<&'a str>,
    /// Probability with which a planted item is added to a new item, 0 to 1.
    pub planted: f64,
}

/// What a session holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The items, in the order in which the session got them.
    pub data: Vec<Inspection>,
    /// Ids of those that two models have decided differently.
    pub disputed: HashSet<String>,
    /// Number of inspections without a verdict that the line was unsure about, held ones included; 1000 stands for more.
    pub waiting: i64,
}

impl Reviews {
    /// Renews what a session holds, and adds the oldest unclaimed items.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn claim(&self, asked: &Claim<'_>) -> Result<Claimed, ReviewError> {
        // Servers that share the database claim one after another.
        let name = format!("claims of {}", asked.line);
        let mut change = self.database.begin_alone(&name).await?;
        let now = now();
        sqlx::query("DELETE FROM claims WHERE line = $1 AND until < $2")
            .bind(asked.line)
            .bind(now)
            .execute(&mut *change)
            .await?;
        sqlx::query("UPDATE claims SET until = $3 WHERE line = $1 AND session = $2")
            .bind(asked.line)
            .bind(asked.session)
            .bind(now + LEASE)
            .execute(&mut *change)
            .await?;
        if let Some(again) = asked.again {
            let exists = sqlx::query("SELECT 1 FROM inspections WHERE id = $1 AND line = $2");
            let exists = exists.bind(again).bind(asked.line);
            if exists.fetch_optional(&mut *change).await?.is_some()
                || planted_items::is_of(&mut change, again, asked.line).await?
            {
                leases::take(&mut change, (asked.line, asked.session), again, now).await?;
            }
        }
        let mut data = held(&mut change, asked).await?;
        let missing = asked.limit.saturating_sub(data.len());
        if missing > 0 {
            // A planted item takes one of the places: what is claimed and not shown would be kept from others.
            let mut room = missing;
            for id in candidates(&mut change, asked, missing).await? {
                if room == 0 {
                    break;
                }
                if asked.planted > 0.0 && fastrand::f64() < asked.planted {
                    let planted =
                        planted_items::unanswered(&mut change, asked.line, asked.who).await?;
                    if let Some(planted) = planted {
                        leases::take(&mut change, (asked.line, asked.session), &planted, now)
                            .await?;
                        room -= 1;
                    }
                }
                if room > 0 {
                    leases::take(&mut change, (asked.line, asked.session), &id, now).await?;
                    room -= 1;
                }
            }
            data = held(&mut change, asked).await?;
        }
        change.commit().await?;
        if let Some(again) = asked.again {
            data.sort_by_key(|item| item.id != again);
        }
        data.truncate(asked.limit);
        let waiting = self.waits_for_people(asked.line).await?;
        let mut disputed = HashSet::new();
        for item in &data {
            if self.is_disputed(&item.id).await? {
                disputed.insert(item.id.clone());
            }
        }
        Ok(Claimed {
            data,
            disputed,
            waiting,
        })
    }

    /// Gives back all that a session holds. Returns how much it was.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn release(&self, line: &str, session: &str) -> Result<u64, ReviewError> {
        let done = sqlx::query("DELETE FROM claims WHERE line = $1 AND session = $2")
            .bind(line)
            .bind(session)
            .execute(&self.database.write)
            .await?;
        Ok(done.rows_affected())
    }

    /// See [`Claimed::waiting`].
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn waits_for_people(&self, line: &str) -> Result<i64, ReviewError> {
        let count = sqlx::query_scalar(
            "SELECT COUNT(*) FROM (SELECT 1 FROM inspections WHERE line = $1 AND decision = 'review' \
             AND verdict = 'none' LIMIT $2) AS waiting",
        );
        let count = count.bind(line).bind(MOST_COUNTED);
        Ok(count.fetch_one(&self.database.read).await?)
    }
}

/// What a session holds, in its order. What has got a verdict meanwhile is not held any more.
async fn held(
    change: &mut AnyConnection,
    asked: &Claim<'_>,
) -> Result<Vec<Inspection>, ReviewError> {
    let items: Vec<String> = sqlx::query_scalar(
        "SELECT item FROM claims WHERE line = $1 AND session = $2 ORDER BY place",
    )
    .bind(asked.line)
    .bind(asked.session)
    .fetch_all(&mut *change)
    .await?;
    let sql = format!("SELECT {COLUMNS} FROM inspections WHERE id = $1");
    let mut held = Vec::new();
    for item in items {
        let row = sqlx::query(&sql).bind(&item);
        let found = match row.fetch_optional(&mut *change).await? {
            Some(row) => Some(Inspection::read(&row)?),
            None => planted_items::one(change, &item, Some(asked.who)).await?,
        };
        match found.filter(|found| found.verdict.is_none()) {
            Some(found) => held.push(found),
            None => leases::end(change, &item).await?,
        }
    }
    Ok(held)
}

/// The oldest inspections for people that nobody holds.
async fn candidates(
    change: &mut AnyConnection,
    asked: &Claim<'_>,
    most: usize,
) -> Result<Vec<String>, ReviewError> {
    const UNSURE: &str = "decision = 'review'";
    const CHOSEN: &str = "audit = 1";
    const CHOSEN_AND_SURE: &str = "audit = 1 AND decision <> 'review'";
    let wanted: &[&str] = match asked.audit {
        Some(true) => &[CHOSEN],
        Some(false) => &[UNSURE],
        None => &[UNSURE, CHOSEN_AND_SURE],
    };
    let most_rows = i64::try_from(most).unwrap_or(i64::MAX);
    // What two models decide differently comes first.
    let mut first = match asked.audit {
        Some(true) => Vec::new(),
        _ => shadows::disputed(change, asked.line, asked.lot, most_rows).await?,
    };
    let mut found: Vec<String> = Vec::new();
    for wanted in wanted {
        let mut sql = format!(
            "SELECT id FROM inspections WHERE line = $1 AND {wanted} AND verdict = 'none' \
             AND NOT EXISTS (SELECT 1 FROM claims WHERE item = inspections.id)"
        );
        if asked.lot.is_some() {
            sql.push_str(" AND lot = $3");
        }
        sql.push_str(" ORDER BY id LIMIT $2");
        let mut query = sqlx::query(&sql).bind(asked.line).bind(most_rows);
        if let Some(lot) = asked.lot {
            query = query.bind(lot);
        }
        for row in query.fetch_all(&mut *change).await? {
            found.push(row.try_get("id")?);
        }
    }
    found.sort();
    first.extend(found);
    let mut seen = HashSet::new();
    first.retain(|id| seen.insert(id.clone()));
    first.truncate(most);
    Ok(first)
}
