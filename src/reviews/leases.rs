//! Rows of claims: which session holds an item, and until when.

use sqlx::AnyConnection;

use super::error::ReviewError;

/// How long a claim holds unless it is renewed, in milliseconds.
pub const LEASE: i64 = 300_000;

/// Ends a claim: the item has a verdict.
pub async fn end(change: &mut AnyConnection, item: &str) -> Result<(), ReviewError> {
    let done = sqlx::query("DELETE FROM claims WHERE item = $1").bind(item);
    done.execute(change).await?;
    Ok(())
}

/// Claims an item, unless a session holds it.
pub async fn take(
    change: &mut AnyConnection,
    (line, session): (&str, &str),
    item: &str,
    now: i64,
) -> Result<(), ReviewError> {
    sqlx::query(
        "INSERT INTO claims (item, line, session, place, until) VALUES ($1, $2, $3, \
         (SELECT COALESCE(MAX(place), 0) + 1 FROM claims WHERE line = $2 AND session = $3), $4) \
         ON CONFLICT (item) DO NOTHING",
    )
    .bind(item)
    .bind(line)
    .bind(session)
    .bind(now + LEASE)
    .execute(change)
    .await?;
    Ok(())
}
