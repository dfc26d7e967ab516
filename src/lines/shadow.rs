//! Shadows in use: which inspections are handed to another model, too.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::sync::mpsc;

use super::decide::{Decided, Seen, decide};
use super::definition::Definition;
use super::error::LineError;
use super::line::{Calibrated, Line};
use super::load;
use crate::monitors::camera::Figures;
use crate::promise::{Evidence, Score};
use crate::reviews::StoredShadow;

/// Inspections that wait for a shadow, at most. More are dropped: the line never waits.
const MOST_WAITING: usize = 64;

/// Bytes of their images, at most.
const MOST_BYTES: usize = 64 << 20;

/// A model that decides beside the one that a line has.
#[derive(Debug)]
pub struct Shadow {
    /// Its id.
    pub id: String,
    /// The line.
    pub line: String,
    /// The line's version that it stands beside.
    pub version: i64,
    /// Share of the inspections that it gets.
    pub share: f64,
    /// The line's definition with its model.
    pub definition: Definition,
    calibrated: Calibrated,
}

impl Shadow {
    /// A shadow as it is stored, beside a line.
    ///
    /// # Errors
    /// [`LineError::Store`] if what is stored cannot be read.
    pub fn of(stored: &StoredShadow, line: &Line) -> Result<Self, LineError> {
        let mut definition = line.definition.clone();
        definition.model = Some(stored.model.clone());
        Ok(Self {
            id: stored.id.clone(),
            line: stored.line.clone(),
            version: stored.version,
            share: stored.share,
            definition,
            calibrated: load::shadow(stored)?,
        })
    }

    /// What the model says about a part. `None` if its scores are others than those of its calibration: the reference was
    /// changed.
    pub fn judge(
        &self,
        (scored_by, evidence): (&str, Option<Evidence>),
        mut seen: Seen,
        cameras: &[Figures],
    ) -> Option<(Decided, Option<f64>)> {
        if scored_by != self.calibrated.scored_by {
            return None;
        }
        let score = evidence.map(|evidence| self.calibrated.weights.score(evidence));
        seen.score = score.and_then(Score::new);
        let limits = self.calibrated.camera.as_ref();
        let is_bad = |figures| limits.is_some_and(|limits| !limits.faults(figures).is_empty());
        seen.camera |= cameras.iter().any(is_bad);
        let (decided, _) = decide(Some(&self.calibrated.in_force), &seen);
        Some((decided, score))
    }
}

/// An inspection for a shadow.
#[derive(Debug)]
pub struct Shadowed {
    /// The shadow.
    pub shadow: Arc<Shadow>,
    /// Id of the inspection.
    pub inspection: String,
    /// What the line decided.
    pub decided: Decided,
    /// Whether the line's monitors had raised an alarm.
    pub drift: bool,
    /// Its images.
    pub images: Vec<Bytes>,
}

/// The shadows of all lines, and the inspections that wait for them.
#[derive(Debug)]
pub struct Shadows {
    in_use: RwLock<HashMap<String, Arc<Shadow>>>,
    sender: mpsc::Sender<Shadowed>,
    receiver: tokio::sync::Mutex<mpsc::Receiver<Shadowed>>,
    bytes: AtomicUsize,
}

impl Default for Shadows {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        Self {
            in_use: RwLock::default(),
            sender,
            receiver: tokio::sync::Mutex::new(receiver),
            bytes: AtomicUsize::new(0),
        }
    }
}

/// What became of an inspection that a shadow might decide, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// The line has no shadow, or the share did not choose it.
    Not,
    /// It waits.
    Waits,
    /// Too many wait.
    Dropped,
}

impl Shadows {
    /// Uses these shadows from now on, and no others.
    pub fn set(&self, shadows: Vec<Shadow>) {
        let shadows = shadows
            .into_iter()
            .map(|shadow| (shadow.line.clone(), Arc::new(shadow)));
        *self.in_use.write() = shadows.collect();
    }

    /// The id and version of the shadow of a line that is in use.
    pub fn known(&self, line: &str) -> Option<(String, i64)> {
        let in_use = self.in_use.read();
        in_use
            .get(line)
            .map(|shadow| (shadow.id.clone(), shadow.version))
    }

    /// Hands an inspection that was stored to the shadow of its line, if there is one and the share chooses it. Never waits.
    pub fn offer(
        &self,
        line: &Line,
        inspection: &str,
        decided: Decided,
        images: &[Bytes],
    ) -> Offered {
        let shadow = self.in_use.read().get(&line.name).cloned();
        let Some(shadow) = shadow.filter(|shadow| shadow.version == line.version) else {
            return Offered::Not;
        };
        if fastrand::f64() >= shadow.share {
            return Offered::Not;
        }
        let bytes = images.iter().map(Bytes::len).sum::<usize>();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_BYTES {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Offered::Dropped;
        }
        let sent = self.sender.try_send(Shadowed {
            shadow,
            inspection: inspection.to_owned(),
            decided,
            drift: line.drift().is_some(),
            images: images.to_vec(),
        });
        if sent.is_err() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Offered::Dropped;
        }
        Offered::Waits
    }

    /// The next inspection for a shadow.
    pub async fn next(&self) -> Option<Shadowed> {
        let next = self.receiver.lock().await.recv().await;
        if let Some(next) = &next {
            let bytes = next.images.iter().map(Bytes::len).sum();
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        next
    }
}
