//! What happens while the database or the object store is not there: inspections fail at once, or wait on disk until it is
//! back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::error::ReviewError;
use super::events::{Dated, Event, What, dated};
use super::inspections::Known;
use super::new_inspection::{Inserted, NewInspection};
use super::waiting::{Added, Record};
use super::{Reviews, now};

/// Longest time of an inspection's work on the database.
const LONGEST: Duration = Duration::from_secs(10);

/// The same, of an inspection that may wait on disk.
const SOON: Duration = Duration::from_secs(2);

impl Reviews {
    /// Fails if the database did not answer, until it does again.
    ///
    /// # Errors
    /// [`ReviewError::Unreachable`].
    pub fn check_reachable(&self) -> Result<(), ReviewError> {
        let is_reachable = self.is_reachable.load(Ordering::Relaxed);
        is_reachable.then_some(()).ok_or(ReviewError::Unreachable)
    }

    /// Does work on the database, within a time. Fails at once as long as the database is not there.
    pub(super) async fn within<T>(
        &self,
        time: Duration,
        work: impl Future<Output = Result<T, ReviewError>>,
    ) -> Result<T, ReviewError> {
        self.check_reachable()?;
        let done = tokio::time::timeout(time, work).await;
        let done = done.unwrap_or(Err(ReviewError::Unreachable));
        if let Err(error) = &done
            && error.is_outage()
            && self.is_reachable.swap(false, Ordering::Relaxed)
        {
            tracing::error!(%error, "the store of the lines fails");
        }
        done
    }

    /// The same with the time of an inspection that may not wait.
    pub(super) async fn within_request<T>(
        &self,
        work: impl Future<Output = Result<T, ReviewError>>,
    ) -> Result<T, ReviewError> {
        self.within(LONGEST, work).await
    }

    /// Reads for an inspection that may wait on disk; `None` if the database is not there.
    ///
    /// # Errors
    /// Other errors than that.
    pub async fn unless_outage<T>(
        &self,
        work: impl Future<Output = Result<Option<T>, ReviewError>>,
    ) -> Result<Option<T>, ReviewError> {
        match self.within(SOON, work).await {
            Err(error) if error.is_outage() => Ok(None),
            done => done,
        }
    }

    /// Stores an inspection as [`Reviews::insert`] does; if the database or the object store is not there, it waits in files,
    /// which are on disk when this returns. After one that waits, all wait.
    ///
    /// # Errors
    /// [`ReviewError::KeyReused`], [`ReviewError::TooManyWait`], an error of the file system, and others.
    pub async fn insert_or_wait(
        &self,
        new: &NewInspection,
        events: &[Event],
    ) -> Result<Inserted, ReviewError> {
        let _keeping = self.keeping.read().await;
        let are_stored = self.put_images_or_wait(new).await?;
        let events = dated(events);
        if are_stored && self.waiting.len() == 0 {
            match self.within(SOON, self.insert_rows(new, &events)).await {
                Err(error) if error.is_outage() => {}
                done => return done,
            }
        }
        let record = Record {
            inspection: new.clone(),
            events,
        };
        // A client that leaves must not leave a file that is not known.
        let added = tokio::spawn(self.waiting.clone().add(record)).await;
        let added = added.map_err(|error| ReviewError::Content(error.to_string()))??;
        Ok(match added {
            Added::New => Inserted::Waits,
            Added::Known(known) => Inserted::Known(Known {
                id: known.id,
                answer: known.answer,
                waits: true,
            }),
        })
    }

    /// Stores the images of an inspection, or keeps them on disk; `keeping` is held. Returns whether they are stored.
    async fn put_images_or_wait(&self, new: &NewInspection) -> Result<bool, ReviewError> {
        if !self.images.are_in_bucket() {
            return self.put_images(&new.images).await.map(|()| true);
        }
        // Nobody waits for the store again while it does not take what is there.
        if self.waiting.len() == 0 {
            let error = match tokio::time::timeout(SOON, self.put_images(&new.images)).await {
                Ok(Ok(())) => return Ok(true),
                Ok(Err(error)) if !error.is_outage() => return Err(error),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} seconds", SOON.as_secs()),
            };
            tracing::error!(%error, "images of inspections wait on disk for the object store");
        }
        for image in &new.images {
            let bytes = image.bytes.clone();
            self.images.put_waiting(&image.hash, bytes).await?;
        }
        Ok(false)
    }

    /// Number of inspections that wait for the database or the object store.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Stores the inspections that wait, in the order of their ids, as far as database and object store take them.
    pub async fn store_waiting(&self) {
        let before = self.waiting.len();
        let done = self.store_all().await;
        let left = self.waiting.len();
        if before > left {
            let stored = before - left;
            tracing::info!(stored, left, "inspections that waited are in the database");
        }
        match done {
            Err(error) if !error.is_outage() => {
                tracing::error!(%error, left, "waiting inspections are not stored");
            }
            _ => {}
        }
    }

    async fn store_all(&self) -> Result<(), ReviewError> {
        if self.check_reachable().is_err() {
            let question = sqlx::query("SELECT 1").execute(&self.database.read);
            let answer = tokio::time::timeout(LONGEST, question).await;
            answer.map_err(|_| ReviewError::Unreachable)??;
            self.is_reachable.store(true, Ordering::Relaxed);
            tracing::info!("the database of the lines answers again");
        }
        if self.waiting.len() == 0 {
            self.waiting.look()?;
        }
        while let Some(Record { inspection, events }) = self.waiting.first()? {
            match self.store_one(&inspection, &events).await {
                Ok(()) => self.waiting.stored(&inspection.id)?,
                Err(error) if error.is_outage() => return Err(error),
                Err(error) => self.waiting.refused(&inspection.id, &error)?,
            }
        }
        Ok(())
    }

    /// Stores one that waited. What was answered while the database could not be asked for the key is noted.
    async fn store_one(&self, new: &NewInspection, events: &[Dated]) -> Result<(), ReviewError> {
        for image in &new.images {
            self.images.take_waiting(&image.hash).await?;
        }
        match self.within_request(self.insert_rows(new, events)).await {
            Ok(Inserted::New | Inserted::Waits) => Ok(()),
            // It was stored before the connection or this process ended.
            Ok(Inserted::Known(known)) if known.id == new.id => Ok(()),
            Ok(Inserted::Known(known)) => {
                let event = Event {
                    who: "server".to_owned(),
                    what: What::AnsweredTwice,
                    line: new.line.clone(),
                    inspection: Some(known.id),
                    detail: serde_json::json!({"also": new.id, "answer": new.answer}),
                };
                let noted = async {
                    let mut connection = self.database.write.acquire().await?;
                    event.write_as(&mut connection, &new.id, now()).await
                };
                self.within_request(noted).await
            }
            // The key had been used for another part: both are kept.
            Err(ReviewError::KeyReused(_)) => {
                let without = NewInspection {
                    idempotency_key: None,
                    ..new.clone()
                };
                let stored = self.insert_rows(&without, events);
                self.within_request(stored).await.map(drop)
            }
            Err(error) => Err(error),
        }
    }
}
