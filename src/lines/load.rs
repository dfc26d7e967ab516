//! Makes a line of what is stored, for example after a restart.

use serde::{Deserialize, Serialize};

use super::error::LineError;
use super::line::{Calibrated, Line};
use super::watch::{Monitor, Watch};
use crate::monitors::camera::{Figures, Limits};
use crate::monitors::martingale::PERIOD;
use crate::promise::{InForce, Score, Weights};
use crate::reviews::{ReviewError, Reviews, StoredCalibration, StoredLine, StoredShadow, What};

/// A calibration, as it is stored to be used.
#[derive(Serialize, Deserialize)]
pub(super) struct ToUse {
    pub(super) decides: InForce,
    /// Figures of the calibration's pictures.
    pub(super) camera: Vec<Figures>,
    /// How scores are made; without it they are the change alone.
    #[serde(default)]
    pub(super) weights: Weights,
}

/// A calibration that was stored.
pub(super) fn calibrated(stored: &StoredCalibration) -> Result<Calibrated, LineError> {
    let to_use: ToUse = serde_json::from_str(&stored.in_force).map_err(ReviewError::from)?;
    Ok(to_use.calibrated(&stored.id, &stored.scored_by))
}

impl ToUse {
    fn calibrated(self, id: &str, scored_by: &str) -> Calibrated {
        Calibrated {
            id: id.to_owned(),
            scored_by: scored_by.to_owned(),
            in_force: self.decides,
            camera: Limits::of(&self.camera),
            weights: self.weights,
        }
    }
}

/// The calibration of a shadow.
pub(super) fn shadow(stored: &StoredShadow) -> Result<Calibrated, LineError> {
    let to_use: ToUse = serde_json::from_str(&stored.in_force).map_err(ReviewError::from)?;
    Ok(to_use.calibrated(&stored.id, &stored.scored_by))
}

/// A line with its calibration and its monitors.
pub(super) async fn line(reviews: &Reviews, stored: StoredLine) -> Result<Line, LineError> {
    let definition = serde_json::from_str(&stored.body).map_err(ReviewError::from)?;
    let name = stored.name;
    let found = reviews.calibration(&name, stored.version).await?;
    let calibrated = found.as_ref().map(calibrated).transpose()?;
    let dismissed = reviews.last_event(&name, What::DriftDismissed).await?;
    let dismissed = dismissed.map(|(id, _)| id).unwrap_or_default();
    // Ids are in the order of time.
    let since = found
        .map(|found| found.id)
        .unwrap_or_default()
        .max(dismissed);
    let alarm = reviews.last_event(&name, What::Drift).await?;
    let mut drift = alarm
        .filter(|(id, _)| calibrated.is_some() && *id > since)
        .map(|(_, detail)| Monitor::of_event(&detail));
    let mut watch = None;
    if let Some(calibrated) = &calibrated {
        let mut again = Watch::new(calibrated.in_force.ok_scores());
        let most = i64::try_from(PERIOD).unwrap_or(i64::MAX);
        for (id, score) in reviews.last_scores(&calibrated.id, &since, most).await? {
            if let Some(monitor) = again.observe(&id, score.and_then(Score::new)) {
                drift.get_or_insert_with(|| monitor.name().to_owned());
                break;
            }
        }
        watch = Some(again);
    }
    let about = (name, stored.version, stored.created);
    Ok(Line::new(about, definition, calibrated, watch, drift))
}
