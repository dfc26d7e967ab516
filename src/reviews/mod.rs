//! What inspection lines have decided, and what people said about it: in a database, and images in a folder.
//!
//! What is acknowledged is on disk. Decisions, verdicts, calibrations and events are only added; retention deletes images,
//! and never rows. The database is SQLite in the state's folder, or PostgreSQL by URL. While it is not there, inspections of
//! some lines wait in files.

mod calibrations;
mod claims;
mod corrections;
mod error;
mod events;
mod figures;
mod image_hash;
mod images;
mod inspections;
mod items;
mod leases;
mod lines;
#[cfg(test)]
mod message_tests;
mod new_inspection;
mod outage;
mod parts;
mod planted;
mod planted_items;
mod queue;
mod retention;
#[cfg(test)]
mod review_tests;
mod secret;
mod shadows;
#[cfg(test)]
mod tests;
mod verdict;
mod verdicts;
mod waiting;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::RwLock;
use uuid::Uuid;

pub use self::calibrations::StoredCalibration;
pub use self::claims::{Claim, Claimed};
pub use self::corrections::{Correction, LeftOut};
pub use self::error::ReviewError;
pub use self::events::{Event, What};
pub use self::figures::{Alarm, Bucket};
pub use self::image_hash::ImageHash;
pub use self::inspections::{Inspection, Known};
pub use self::leases::LEASE;
pub use self::lines::{Mark, StoredLine};
pub use self::new_inspection::{Inserted, NewImage, NewInspection};
pub use self::parts::{LabelledPart, NewPart, PartToScore, Unscored};
pub use self::planted::{Planted, PlantedAnswer};
pub use self::queue::{Filter, Page};
pub use self::retention::Deleted;
pub use self::shadows::{ShadowCount, StoredShadow};
pub use self::verdict::{Said, Verdict};
pub use crate::database::now;

use self::images::Images;
use self::waiting::Waiting;
use crate::database::Database;
use crate::dataset::store::Place;
use crate::deliveries::{Interest, Outbox};

/// The store of all lines.
#[derive(Debug)]
pub struct Reviews {
    database: Database,
    images: Images,
    /// Held for reading from the writing of an image until its row is there, and for writing while one is deleted.
    keeping: RwLock<()>,
    /// False from the first error until the database answers again.
    is_reachable: AtomicBool,
    waiting: Arc<Waiting>,
    /// Messages about what is stored, in the same database.
    outbox: Outbox,
}

impl Reviews {
    /// Opens the store in a folder, which is created, with a database that several servers share, or one in the folder, and
    /// with images in a place of their own, or in the folder. What sinks with these `interests` want is put into the outbox.
    ///
    /// # Errors
    /// [`ReviewError`].
    pub async fn open(
        folder: &Path,
        shared: Option<Database>,
        images: Option<&Place>,
        interests: Arc<[Interest]>,
    ) -> Result<Self, ReviewError> {
        let images = Images::open(images, &folder.join("images"))?;
        if let Err(error) = images.check().await {
            // It may be there when the first image comes.
            tracing::error!(%error, "images of inspections cannot be stored");
        }
        let database = match shared {
            Some(database) => database,
            None => Database::in_folder(folder).await?,
        };
        Ok(Self {
            outbox: Outbox::new(database.clone(), interests),
            database,
            images,
            keeping: RwLock::new(()),
            is_reachable: AtomicBool::new(true),
            waiting: Arc::new(Waiting::open(folder.join("queue"))?),
        })
    }

    /// The messages about what is stored.
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Ends all connections, after what is under way.
    pub async fn close(&self) {
        self.database.write.close().await;
        self.database.read.close().await;
    }
}

/// A new id: ids of one server are in the order of time.
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}
