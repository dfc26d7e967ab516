//! Of the servers that share a database, one delivers to a sink at a time: the one that has the sink's lease. It renews the
//! lease; if it is gone, another one takes it when it has expired.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::outbox::Outbox;

/// How long a lease lasts.
const LASTS: Duration = Duration::from_secs(30);

/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(8);

/// A message is sent only if the lease lasts as long as sending may take, so that two servers do not send at once.
const MARGIN: Duration = Duration::from_secs(14);

/// Milliseconds since 1970, by the clock of PostgreSQL: those of the servers may differ.
const CLOCK: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

/// The lease of a sink. A database of one server needs none: it is always held then.
#[derive(Debug)]
pub struct Lease {
    sink: String,
    is_needed: bool,
    times: Mutex<Times>,
}

#[derive(Debug, Default)]
struct Times {
    /// The end of what is held.
    until: Option<Instant>,
    /// When it was asked for last.
    asked: Option<Instant>,
}

impl Lease {
    /// The lease of a sink; it is not taken yet.
    pub fn new(outbox: &Outbox, sink: &str) -> Self {
        Self {
            sink: sink.to_owned(),
            is_needed: outbox.database.is_shared(),
            times: Mutex::default(),
        }
    }

    /// Whether a message may be sent now.
    pub fn is_held(&self) -> bool {
        let until = self.times.lock().until;
        !self.is_needed || until.is_some_and(|until| Instant::now() + MARGIN < until)
    }

    /// Takes or renews the lease, if it is time to.
    ///
    /// # Errors
    /// That of the database.
    pub async fn keep(&self, outbox: &Outbox) -> Result<(), sqlx::Error> {
        let asked = Instant::now();
        {
            let mut times = self.times.lock();
            let is_early = times.asked.is_some_and(|last| asked - last < RENEWED);
            // One that is not held is asked for again and again: the other server may be gone.
            let is_known = times.until.is_some_and(|until| asked + MARGIN < until);
            let just_asked = times
                .asked
                .is_some_and(|last| asked - last < Duration::from_secs(1));
            if !self.is_needed || (is_known && is_early) || just_asked {
                return Ok(());
            }
            times.asked = Some(asked);
        }
        let sql = format!(
            "INSERT INTO delivery_leases (sink, owner, expires) VALUES ($1, $2, {CLOCK} + $3) \
             ON CONFLICT (sink) DO UPDATE SET owner = EXCLUDED.owner, expires = EXCLUDED.expires \
             WHERE delivery_leases.owner = EXCLUDED.owner OR delivery_leases.expires < {CLOCK}"
        );
        let lasts = i64::try_from(LASTS.as_millis()).unwrap_or(i64::MAX);
        let done = sqlx::query(&sql)
            .bind(&self.sink)
            .bind(&*outbox.owner)
            .bind(lasts)
            .execute(&outbox.database.write)
            .await?;
        // Counted from before the question, so that it ends here before it ends there.
        let until = (done.rows_affected() > 0).then_some(asked + LASTS);
        self.times.lock().until = until;
        Ok(())
    }

    /// Gives the lease up, so that another server need not wait for its end.
    pub async fn give_up(&self, outbox: &Outbox) {
        if !self.is_needed || self.times.lock().until.take().is_none() {
            return;
        }
        let done = sqlx::query("DELETE FROM delivery_leases WHERE sink = $1 AND owner = $2")
            .bind(&self.sink)
            .bind(&*outbox.owner)
            .execute(&outbox.database.write)
            .await;
        if let Err(error) = done {
            tracing::debug!(sink = self.sink, %error, "a lease is not given up, and expires");
        }
    }
}
