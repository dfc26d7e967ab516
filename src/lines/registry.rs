//! All lines of a server.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::{Mutex, OnceCell};

use super::definition::{Definition, Store, check_name};
use super::error::LineError;
use super::line::{Calibrated, Line};
use super::load;
use crate::database::Database;
use crate::dataset::store::Place;
use crate::deliveries::Interest;
use crate::promise::RandomAudit;
use crate::reviews::{Event, Mark, ReviewError, Reviews, StoredCalibration, What};

/// Lines of a server, at most: each has its series of metrics.
pub const MOST_LINES: usize = 256;

/// Longest time in which a line that is known is read again.
const SOON: Duration = Duration::from_secs(2);

/// All lines. Their store is opened when it is there or needed: a server without lines writes nothing.
#[derive(Debug)]
pub struct Lines {
    folder: PathBuf,
    shared: Option<Database>,
    /// Where images are, if not in the folder.
    images: Option<Place>,
    /// What sinks want to be told of.
    interests: Arc<[Interest]>,
    opened: OnceCell<Opened>,
    in_use: RwLock<HashMap<String, Arc<Line>>>,
    /// What the store had of each line when it was read.
    marks: parking_lot::Mutex<HashMap<String, Mark>>,
    /// Held while a line is changed, and while it is read from the store.
    changing: Mutex<()>,
}

#[derive(Debug)]
struct Opened {
    reviews: Reviews,
    secret: String,
}

impl Lines {
    /// Lines in a folder, or in a database that several servers share, with their images in the folder or in a place of
    /// their own. What sinks with these `interests` want is put into the outbox. What is there is opened now.
    ///
    /// # Errors
    /// [`LineError::Store`].
    pub async fn open(
        folder: PathBuf,
        shared: Option<Database>,
        images: Option<Place>,
        interests: Arc<[Interest]>,
    ) -> Result<Self, LineError> {
        let is_there = shared.is_some() || Database::is_in(&folder);
        let lines = Self {
            folder,
            shared,
            images,
            interests,
            opened: OnceCell::new(),
            in_use: RwLock::default(),
            marks: parking_lot::Mutex::default(),
            changing: Mutex::default(),
        };
        if is_there {
            let reviews = &lines.opened().await?.reviews;
            for stored in reviews.lines().await? {
                let definition: Definition =
                    serde_json::from_str(&stored.body).map_err(ReviewError::from)?;
                // Read now, because it also inspects while the database is away.
                if definition.store == Store::Queued {
                    lines.get(&stored.name).await?;
                }
            }
        }
        Ok(lines)
    }

    async fn opened(&self) -> Result<&Opened, ReviewError> {
        let open = || async {
            let (shared, interests) = (self.shared.clone(), self.interests.clone());
            let reviews =
                Reviews::open(&self.folder, shared, self.images.as_ref(), interests).await?;
            // Before a line is read: its monitors go on from what is stored.
            reviews.store_waiting().await;
            let secret = reviews.secret().await?;
            Ok(Opened { reviews, secret })
        };
        self.opened.get_or_try_init(open).await
    }

    /// The store, if there is one.
    pub fn reviews(&self) -> Option<&Reviews> {
        self.opened.get().map(|opened| &opened.reviews)
    }

    /// The store of a line that is known.
    ///
    /// # Errors
    /// [`LineError::Store`].
    pub async fn store(&self) -> Result<&Reviews, LineError> {
        Ok(&self.opened().await?.reviews)
    }

    /// A line by its name.
    ///
    /// # Errors
    /// [`LineError::Unknown`] and [`LineError::Store`].
    pub async fn get(&self, name: &str) -> Result<Arc<Line>, LineError> {
        let known = |stale: bool| {
            let line = self.in_use.read().get(name).cloned();
            line.filter(|line| stale || !line.is_stale())
        };
        if let Some(line) = known(false) {
            return Ok(line);
        }
        let unknown = || LineError::Unknown(name.to_owned());
        let reviews = self.reviews().ok_or_else(unknown)?;
        let _changing = self.changing.lock().await;
        // As long as inspections wait, the database does not have them: the line goes on as it is.
        if let Some(line) = known(reviews.waiting() > 0) {
            return Ok(line);
        }
        let read = self.read(name, reviews);
        let Some(line) = known(true) else {
            return read.await;
        };
        // So it does while the database is away: one that is `queued` inspects then, too.
        if reviews.check_reachable().is_err() {
            return Ok(line);
        }
        match tokio::time::timeout(SOON, read).await {
            Ok(Err(LineError::Store(error))) if error.is_outage() => Ok(line),
            Ok(read) => read,
            Err(_) => Ok(line),
        }
    }

    /// Reads a line; `changing` is held.
    async fn read(&self, name: &str, reviews: &Reviews) -> Result<Arc<Line>, LineError> {
        let unknown = || LineError::Unknown(name.to_owned());
        // Before the line: what changes meanwhile is found later.
        let mark = reviews.marks(Some(name)).await?.remove(name);
        let mark = mark.ok_or_else(unknown)?;
        let stored = reviews.line(name).await?.ok_or_else(unknown)?;
        let line = Arc::new(load::line(reviews, stored).await?);
        self.in_use.write().insert(name.to_owned(), line.clone());
        self.marks.lock().insert(name.to_owned(), mark);
        Ok(line)
    }

    /// Looks for lines that another server has changed, calibrated or deleted, or whose monitors have raised an alarm there.
    ///
    /// # Errors
    /// [`LineError::Store`]; lines stay as they are then.
    pub async fn look_again(&self) -> Result<(), LineError> {
        let Some(reviews) = self.reviews() else {
            return Ok(());
        };
        reviews.check_reachable()?;
        let now = reviews.marks(None).await?;
        let known = self.marks.lock();
        self.in_use.write().retain(|name, line| {
            let (mark, before) = (now.get(name), known.get(name));
            if mark != before || mark.is_none() {
                line.not_stored();
            }
            // One without a mark may have been created since `now`.
            mark.is_some() || before.is_none()
        });
        Ok(())
    }

    /// All lines, by name.
    ///
    /// # Errors
    /// [`LineError::Store`].
    pub async fn all(&self) -> Result<Vec<Arc<Line>>, LineError> {
        let Some(reviews) = self.reviews() else {
            return Ok(Vec::new());
        };
        let mut all = Vec::new();
        for stored in reviews.lines().await? {
            match self.get(&stored.name).await {
                Ok(line) => all.push(line),
                // It was deleted meanwhile.
                Err(LineError::Unknown(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Creates a line, or adds a version to it; true if it is new. The same definition again is the same version.
    ///
    /// # Errors
    /// [`LineError`].
    pub async fn put(
        &self,
        name: &str,
        definition: Definition,
        who: &str,
    ) -> Result<(Arc<Line>, bool), LineError> {
        check_name(name)?;
        definition.check()?;
        let known = match self.get(name).await {
            Ok(line) => Some(line),
            Err(LineError::Unknown(_)) => None,
            Err(error) => return Err(error),
        };
        if let Some(known) = known
            .as_ref()
            .filter(|known| known.definition == definition)
        {
            return Ok((known.clone(), false));
        }
        let reviews = self.store().await?;
        let _changing = self.changing.lock().await;
        if known.is_none() && reviews.lines().await?.len() >= MOST_LINES {
            return Err(LineError::TooMany(MOST_LINES));
        }
        let body = serde_json::to_string(&definition).map_err(ReviewError::from)?;
        let stored = reviews.put_line(name, &body, who).await?;
        let line = Arc::new(load::line(reviews, stored).await?);
        self.in_use.write().insert(name.to_owned(), line.clone());
        Ok((line, known.is_none()))
    }

    /// Deletes a line. What it decided stays in the store.
    ///
    /// # Errors
    /// [`LineError::Unknown`] and [`LineError::Store`].
    pub async fn delete(&self, name: &str, who: &str) -> Result<(), LineError> {
        let unknown = || LineError::Unknown(name.to_owned());
        let reviews = self.reviews().ok_or_else(unknown)?;
        let _changing = self.changing.lock().await;
        let known = reviews.delete_line(name, who).await?;
        self.in_use.write().remove(name);
        known.then_some(()).ok_or_else(unknown)
    }

    /// Stores a calibration and uses it, unless the line has got another version meanwhile.
    ///
    /// # Errors
    /// [`LineError::Store`].
    pub async fn use_calibration(
        &self,
        line: &Line,
        stored: &StoredCalibration,
    ) -> Result<(), LineError> {
        let calibrated: Calibrated = load::calibrated(stored)?;
        let _changing = self.changing.lock().await;
        self.store().await?.add_calibration(stored).await?;
        if let Some(line) = self.same_version(line) {
            line.use_calibration(calibrated);
        }
        Ok(())
    }

    /// Uses a definition with its calibration from now on: the next version of the line, which is stored in one change. Until
    /// then the line decides as before.
    ///
    /// # Errors
    /// [`LineError::Changed`] if the line has another version than `from` meanwhile, and [`LineError::Store`].
    pub async fn switch(
        &self,
        from: &Line,
        definition: &Definition,
        calibration: &StoredCalibration,
        why: (What, serde_json::Value),
    ) -> Result<Arc<Line>, LineError> {
        let body = serde_json::to_string(definition).map_err(ReviewError::from)?;
        let reviews = self.store().await?;
        let _changing = self.changing.lock().await;
        let changed = || LineError::Changed(from.name.clone());
        let stored = reviews.line(&from.name).await?.ok_or_else(changed)?;
        if stored.version != from.version {
            return Err(changed());
        }
        let switched = reviews.put_calibrated(&stored, &body, calibration, why);
        let switched = switched.await?.ok_or_else(changed)?;
        let line = Arc::new(load::line(reviews, switched).await?);
        let mut in_use = self.in_use.write();
        in_use.insert(from.name.clone(), line.clone());
        Ok(line)
    }

    /// Ends the alarm of a line's monitors.
    ///
    /// # Errors
    /// [`LineError::Store`].
    pub async fn dismiss(&self, line: &Line, who: &str) -> Result<(), LineError> {
        let event = Event {
            who: who.to_owned(),
            what: What::DriftDismissed,
            line: line.name.clone(),
            inspection: None,
            detail: serde_json::json!({"monitor": line.drift()}),
        };
        let _changing = self.changing.lock().await;
        self.store().await?.note(&event).await?;
        if let Some(line) = self.same_version(line) {
            line.dismiss();
        }
        Ok(())
    }

    /// The line as it is in use now: it may have been read again.
    fn same_version(&self, line: &Line) -> Option<Arc<Line>> {
        let now = self.in_use.read().get(&line.name).cloned();
        now.filter(|now| now.version == line.version)
    }

    /// Who is audited on a line.
    ///
    /// # Errors
    /// [`LineError`].
    pub async fn audit(&self, definition: &Definition) -> Result<RandomAudit, LineError> {
        let secret = self.opened().await?.secret.as_bytes();
        let share = definition.audit;
        let wrong = || LineError::invalid("audit", format!("{share} is not from 0 to 1"));
        RandomAudit::new(secret, share).ok_or_else(wrong)
    }

    /// The key that divides a line's lots.
    ///
    /// # Errors
    /// [`LineError::Store`].
    pub async fn split_key(&self, line: &str) -> Result<Vec<u8>, LineError> {
        let secret = &self.opened().await?.secret;
        Ok(format!("{secret} {line}").into_bytes())
    }
}
