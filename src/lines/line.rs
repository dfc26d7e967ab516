//! A line that is in use: its version, what it was calibrated to, and its monitors.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::decide::{Decided, Reason, Seen, decide};
use super::definition::Definition;
use super::watch::{Monitor, Watch};
use crate::monitors::camera::{Figures, Limits};
use crate::promise::{Evidence, InForce, PValues, Score, Weights};
use crate::reviews::{Event, What};

/// Stations whose last trigger is known, at most; others are read from the store again.
const MOST_STATIONS: usize = 256;

/// A calibration in use.
#[derive(Debug)]
pub struct Calibrated {
    /// Its id.
    pub id: String,
    /// What its scores depend on: model and reference.
    pub scored_by: String,
    /// Its thresholds.
    pub in_force: InForce,
    /// What pictures look like; `None` with too few.
    pub camera: Option<Limits>,
    /// How scores are made.
    pub weights: Weights,
}

/// A version of a line.
#[derive(Debug)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// From 1.
    pub version: i64,
    /// Milliseconds since 1970.
    pub created: i64,
    /// What it compares with, asks and promises.
    pub definition: Definition,
    state: Mutex<State>,
    /// It has judged a part that was not stored.
    is_stale: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    calibrated: Option<Arc<Calibrated>>,
    watch: Option<Watch>,
    /// The monitor whose alarm was not ended yet.
    drift: Option<String>,
    triggers: HashMap<String, i64>,
}

/// The number of a camera's trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The station; "" if it has no name.
    pub station: String,
    /// The number.
    pub number: i64,
}

/// What the line says about a part.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The score; `None` if an image could not be compared.
    pub score: Option<Score>,
    /// OK, NG or review.
    pub decided: Decided,
    /// Why a person decides; none for automatic decisions.
    pub reasons: Vec<Reason>,
    /// How usual the score is in each class of the calibration.
    pub p: Option<PValues>,
    /// The calibration that decided.
    pub calibration: Option<String>,
    /// Triggers that are missing before this one.
    pub missed: i64,
    /// Whether the monitors have seen the score.
    pub observed: bool,
    /// For the audit trail.
    pub events: Vec<Event>,
}

impl Line {
    /// A line with its last calibration, its monitors, and the monitor whose alarm was not ended yet.
    pub(super) fn new(
        (name, version, created): (String, i64, i64),
        definition: Definition,
        calibrated: Option<Calibrated>,
        watch: Option<Watch>,
        drift: Option<String>,
    ) -> Self {
        Self {
            name,
            version,
            created,
            definition,
            state: Mutex::new(State {
                calibrated: calibrated.map(Arc::new),
                watch,
                drift,
                triggers: HashMap::new(),
            }),
            is_stale: AtomicBool::new(false),
        }
    }

    /// Notes that a part that was judged is not stored: monitors and triggers are read again from what is.
    pub fn not_stored(&self) {
        self.is_stale.store(true, Ordering::Relaxed);
    }

    /// Whether monitors and triggers must be read again.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale.load(Ordering::Relaxed)
    }

    /// The calibration in use.
    pub fn calibrated(&self) -> Option<Arc<Calibrated>> {
        self.state.lock().calibrated.clone()
    }

    /// The monitor whose alarm was not ended yet.
    pub fn drift(&self) -> Option<String> {
        self.state.lock().drift.clone()
    }

    /// Whether the last trigger of a station must be read from the store.
    pub fn needs_trigger(&self, station: &str) -> bool {
        !self.state.lock().triggers.contains_key(station)
    }

    /// Notes the last trigger of a station, as the store knows it.
    pub fn last_trigger(&self, station: &str, number: i64) {
        let mut state = self.state.lock();
        if state.triggers.len() >= MOST_STATIONS {
            state.triggers.clear();
        }
        let known = state.triggers.entry(station.to_owned()).or_insert(number);
        *known = (*known).max(number);
    }

    /// Uses a calibration from now on. Its monitors begin anew.
    pub fn use_calibration(&self, calibrated: Calibrated) {
        let mut state = self.state.lock();
        state.watch = Some(Watch::new(calibrated.in_force.ok_scores()));
        state.calibrated = Some(Arc::new(calibrated));
        state.drift = None;
    }

    /// Ends an alarm. The monitors begin anew.
    pub fn dismiss(&self) {
        let mut state = self.state.lock();
        let watch = state.calibrated.as_ref();
        state.watch = watch.map(|calibrated| Watch::new(calibrated.in_force.ok_scores()));
        state.drift = None;
    }

    /// Judges an inspected part. `evidence` is `None` if an image could not be compared. `scored_by` is what it depends on: a
    /// calibration of other scores does not count. `cameras` are the figures of its pictures.
    pub fn judge(
        &self,
        id: &str,
        (scored_by, evidence): (&str, Option<Evidence>),
        mut seen: Seen,
        cameras: &[Figures],
        trigger: Option<&Trigger>,
    ) -> Judgement {
        let mut state = self.state.lock();
        let calibrated = state.calibrated.clone();
        let calibrated = calibrated.filter(|calibrated| calibrated.scored_by == scored_by);
        let weights = calibrated.as_ref().map(|one| one.weights);
        let score = evidence.map(|evidence| weights.unwrap_or_default().score(evidence));
        seen.score = score.and_then(Score::new);
        let limits = calibrated.as_ref().and_then(|one| one.camera.as_ref());
        let is_bad =
            |figures: &Figures| limits.is_some_and(|limits| !limits.faults(figures).is_empty());
        seen.camera |= cameras.iter().any(is_bad);
        let mut events = Vec::new();
        let event = |what: What, detail: serde_json::Value| Event {
            who: "server".to_owned(),
            what,
            line: self.name.clone(),
            inspection: Some(id.to_owned()),
            detail,
        };
        // A bad picture says nothing about the parts.
        let observed = calibrated.is_some() && !seen.camera && state.drift.is_none();
        if observed {
            let alarm = state
                .watch
                .as_mut()
                .and_then(|watch| watch.observe(id, seen.score));
            if let Some(monitor) = alarm {
                state.drift = Some(monitor.name().to_owned());
                events.push(event(
                    What::Drift,
                    serde_json::json!({"monitor": monitor.name()}),
                ));
            }
        }
        seen.drift = state.drift.is_some();
        let missed = trigger.map_or(0, |trigger| missed(&mut state.triggers, trigger));
        if missed > 0 {
            let detail = serde_json::json!({"missed": missed, "before": trigger.map(|trigger| trigger.number)});
            events.push(event(What::TriggerGap, detail));
        }
        drop(state);
        let in_force = calibrated.as_ref().map(|calibrated| &calibrated.in_force);
        let (decided, reasons) = decide(in_force, &seen);
        let p = |score: Score| in_force.map(|in_force| in_force.p_values(score));
        Judgement {
            score: seen.score,
            decided,
            reasons,
            p: seen.score.and_then(p),
            calibration: calibrated.map(|calibrated| calibrated.id.clone()),
            missed,
            observed,
            events,
        }
    }
}

/// Numbers that are missing between a station's last trigger and this one. A lower number is a camera that counts anew, or
/// an inspection that was overtaken.
fn missed(triggers: &mut HashMap<String, i64>, trigger: &Trigger) -> i64 {
    if triggers.len() >= MOST_STATIONS && !triggers.contains_key(&trigger.station) {
        triggers.clear();
    }
    let last = triggers.insert(trigger.station.clone(), trigger.number);
    last.map_or(0, |last| {
        trigger.number.saturating_sub(last).saturating_sub(1).max(0)
    })
}

impl Monitor {
    /// The monitor of an event.
    pub(super) fn of_event(detail: &str) -> String {
        let detail: Option<serde_json::Value> = serde_json::from_str(detail).ok();
        let name = detail.and_then(|detail| Some(detail.get("monitor")?.as_str()?.to_owned()));
        name.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::decide::tests::in_force;
    use super::super::definition::{Promised, Shares};
    use super::*;

    fn line() -> Line {
        let definition = Definition {
            reference: "bolts".to_owned(),
            views: Vec::new(),
            model: None,
            statements: vec![],
            promise: Promised::default(),
            defect_rate: None,
            split: Shares::default(),
            audit: 0.02,
            retention_days: None,
            store: super::super::definition::Store::default(),
        };
        let line = Line::new(("bolts".to_owned(), 1, 0), definition, None, None, None);
        line.use_calibration(Calibrated {
            id: "c".to_owned(),
            scored_by: "a model".to_owned(),
            in_force: in_force(),
            camera: None,
            weights: Weights::default(),
        });
        line
    }

    fn judge(line: &Line, scored_by: &str, score: f64, number: i64) -> Judgement {
        let evidence = Evidence {
            changed: score,
            statements: 0.0,
        };
        let trigger = Trigger {
            station: String::new(),
            number,
        };
        let known = (scored_by, Some(evidence));
        line.judge(
            &number.to_string(),
            known,
            Seen::default(),
            &[],
            Some(&trigger),
        )
    }

    #[test]
    fn a_calibration_of_other_scores_does_not_count() {
        let line = line();
        let judged = judge(&line, "a model", 0.1, 1);
        assert_eq!(
            (judged.decided, judged.calibration.as_deref()),
            (Decided::Ok, Some("c"))
        );
        let judged = judge(&line, "another", 0.1, 2);
        assert_eq!(judged.reasons, [Reason::NotCalibrated]);
        assert_eq!((judged.calibration, judged.p), (None, None));
    }

    #[test]
    fn an_alarm_suspends_the_promise_until_a_person_ends_it() {
        let line = line();
        let alarm = (0..500).find(|number| {
            let judged = judge(&line, "a model", 2.9, *number);
            judged.events.iter().any(|event| event.what == What::Drift)
        });
        assert!(alarm.is_some_and(|after| after > 5), "{alarm:?}");
        assert_eq!(judge(&line, "a model", 0.1, 501).reasons, [Reason::Drift]);
        assert_eq!(line.drift().as_deref(), Some("martingale"));
        line.dismiss();
        assert_eq!(judge(&line, "a model", 0.1, 502).decided, Decided::Ok);
    }

    #[test]
    fn missing_triggers_are_counted_for_each_station() {
        let line = line();
        assert_eq!(judge(&line, "a model", 0.1, 10).missed, 0);
        assert_eq!(judge(&line, "a model", 0.1, 11).missed, 0);
        let gap = judge(&line, "a model", 0.1, 14);
        assert_eq!(gap.missed, 2);
        assert_eq!(gap.events.len(), 1);
        // The camera was switched off and on.
        assert_eq!(judge(&line, "a model", 0.1, 1).missed, 0);
        assert!(line.needs_trigger("left"));
        line.last_trigger("left", 7);
        assert!(!line.needs_trigger("left"));
    }
}
