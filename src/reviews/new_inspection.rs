//! Stores new inspections: once each, whatever comes twice.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use super::Reviews;
use super::error::ReviewError;
use super::events::{Dated, Event, What, dated};
use super::image_hash::ImageHash;
use super::inspections::Known;
use crate::deliveries::{News, Occasion};
use crate::preprocess::Format;

/// An image of a new inspection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewImage {
    /// The file.
    #[serde(skip)]
    pub bytes: Bytes,
    /// Its hash.
    pub hash: ImageHash,
    /// Its content type, such as `image/png`.
    pub kind: Cow<'static, str>,
}

impl From<(Bytes, ImageHash)> for NewImage {
    fn from((bytes, hash): (Bytes, ImageHash)) -> Self {
        let kind = Format::of(&bytes).map_or("application/octet-stream", Format::media_type);
        Self {
            bytes,
            hash,
            kind: kind.into(),
        }
    }
}

/// An inspection to store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewInspection {
    /// From [`super::new_id`].
    pub id: String,
    /// Milliseconds since 1970.
    pub created: i64,
    /// The line.
    pub line: String,
    /// The line's version.
    pub version: i64,
    /// The model's name.
    pub model: String,
    /// What the score depends on: model and reference.
    pub scored_by: String,
    /// Id of the calibration that it was decided with.
    pub calibration: Option<String>,
    /// `ok`, `ng` or `review`.
    pub decision: Cow<'static, str>,
    /// The part's score.
    #[serde(with = "bits")]
    pub score: Option<f64>,
    /// p-value for an OK part.
    #[serde(with = "bits")]
    pub p_ok: Option<f64>,
    /// p-value for an NG part.
    #[serde(with = "bits")]
    pub p_ng: Option<f64>,
    /// What the client calls the part.
    pub part: Option<String>,
    /// Its lot.
    pub lot: Option<String>,
    /// Where it was inspected.
    pub station: Option<String>,
    /// The number of the camera's trigger.
    pub trigger: Option<i64>,
    /// The same key means the same inspection.
    pub idempotency_key: Option<String>,
    /// Whether a keyed hash chose it for a person.
    pub audit: bool,
    /// Whether the line's monitors have seen its score.
    pub observed: bool,
    /// The answer to the client, as JSON.
    pub answer: String,
    /// At least one.
    pub images: Vec<NewImage>,
}

/// Whether an inspection was stored.
#[derive(Debug)]
pub enum Inserted {
    /// Now.
    New,
    /// Not yet: it waits in a file for the database.
    Waits,
    /// Its idempotency key was there already, with the same images: what was stored then.
    Known(Known),
}

impl Reviews {
    /// Stores an inspection with its images and events. All of it is on disk when this returns.
    ///
    /// # Errors
    /// [`ReviewError::KeyReused`] if the idempotency key came with other images, and others.
    pub async fn insert(
        &self,
        new: &NewInspection,
        events: &[Event],
    ) -> Result<Inserted, ReviewError> {
        let _keeping = self.keeping.read().await;
        self.put_images(&new.images).await?;
        let events = dated(events);
        self.within_request(self.insert_rows(new, &events)).await
    }

    /// Stores images; `keeping` is held until their rows are there.
    pub(super) async fn put_images(&self, new: &[NewImage]) -> Result<(), ReviewError> {
        for image in new {
            self.images.put(&image.hash, image.bytes.clone()).await?;
        }
        Ok(())
    }

    /// Stores the rows of an inspection whose images are stored. The same inspection again changes nothing.
    pub(super) async fn insert_rows(
        &self,
        new: &NewInspection,
        events: &[Dated],
    ) -> Result<Inserted, ReviewError> {
        let mut change = self.database.write.begin().await?;
        if insert_row(&mut change, new).await? == 0 {
            drop(change);
            return Ok(Inserted::Known(self.known(new).await?));
        }
        self.insert_images(&new.id, &new.images, &mut change)
            .await?;
        let news = News {
            id: &new.id,
            line: &new.line,
            event: Occasion::Inspection,
            inspection: &new.id,
            decision: Some(&new.decision),
        };
        self.outbox.add(&mut change, news).await?;
        for Dated { id, created, event } in events {
            event.write_as(&mut change, id, *created).await?;
            if event.what == What::Drift {
                let (event, decision) = (Occasion::Drift, None);
                let alarm = News {
                    id,
                    event,
                    decision,
                    ..news
                };
                self.outbox.add(&mut change, alarm).await?;
            }
        }
        self.put_again(&new.images, &mut change).await?;
        change.commit().await?;
        self.outbox.wake();
        Ok(Inserted::New)
    }

    /// Stores the rows of images under an id.
    pub(super) async fn insert_images(
        &self,
        id: &str,
        images: &[NewImage],
        change: &mut AnyConnection,
    ) -> Result<(), ReviewError> {
        for (place, image) in images.iter().enumerate() {
            sqlx::query(
                "INSERT INTO inspection_images (inspection, place, hash, kind) VALUES ($1, $2, $3, $4)",
            )
            .bind(id)
            .bind(i64::try_from(place).unwrap_or(i64::MAX))
            .bind(image.hash.as_str())
            .bind(image.kind.as_ref())
            .execute(&mut *change)
            .await?;
        }
        Ok(())
    }

    /// Another server of the database may have deleted an image of the same content since it was stored. From now on none
    /// does, until the rows are there.
    pub(super) async fn put_again(
        &self,
        images: &[NewImage],
        change: &mut AnyConnection,
    ) -> Result<(), ReviewError> {
        if !self.database.is_shared() {
            return Ok(());
        }
        for image in images {
            let hash = &image.hash;
            self.database.lock_shared(change, hash.as_str()).await?;
            // The bytes of one that waited on disk are in the store by now, and not here.
            if !image.bytes.is_empty() {
                self.images.put(hash, image.bytes.clone()).await?;
            }
        }
        Ok(())
    }

    /// What is stored with the id or the key of an inspection.
    async fn known(&self, new: &NewInspection) -> Result<Known, ReviewError> {
        match self.inspection(&new.id).await {
            Err(ReviewError::NoInspection) => {}
            found => return found.map(Known::from),
        }
        let key = new.idempotency_key.as_deref().unwrap_or_default();
        let known = self.by_key(&new.line, key, &new.content()).await?;
        known.map(Known::from).ok_or(ReviewError::NoInspection)
    }
}

impl NewInspection {
    /// [`ImageHash::of_all`] of its images.
    pub(super) fn content(&self) -> String {
        let hashes: Vec<_> = self.images.iter().map(|image| image.hash.clone()).collect();
        ImageHash::of_all(&hashes)
    }
}

/// Numbers as their bits: as decimal digits, they might come back with another last one.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        value.map(f64::to_bits).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::deserialize(from)?.map(f64::from_bits))
    }
}

/// Number of rows that were added: 0 if the id or the idempotency key is there.
async fn insert_row(to: &mut AnyConnection, new: &NewInspection) -> Result<u64, ReviewError> {
    let done = sqlx::query(
        "INSERT INTO inspections (id, created, line, version, model, scored_by, calibration, decision, score, p_ok, p_ng, \
         part, lot, station, trigger_number, idempotency_key, content, audit, observed, answer) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) \
         ON CONFLICT DO NOTHING",
    )
    .bind(&new.id)
    .bind(new.created)
    .bind(&new.line)
    .bind(new.version)
    .bind(&new.model)
    .bind(&new.scored_by)
    .bind(&new.calibration)
    .bind(new.decision.as_ref())
    .bind(new.score)
    .bind(new.p_ok)
    .bind(new.p_ng)
    .bind(&new.part)
    .bind(&new.lot)
    .bind(&new.station)
    .bind(new.trigger)
    .bind(&new.idempotency_key)
    .bind(new.content())
    .bind(i64::from(new.audit))
    .bind(i64::from(new.observed))
    .bind(&new.answer)
    .execute(to)
    .await?;
    Ok(done.rows_affected())
}
