//! A random audit: a keyed hash of the inspection's id chooses parts for a person to look at, whatever was decided about
//! them. Without the key, the choice can neither be predicted nor influenced.
//!
//! The audited parts are a fair sample of the line. So they bound what was shipped, and may calibrate the line again,
//! which labels from the review queue may not. Both need all chosen parts: a person who looks only at the easy ones makes
//! a selection again. [`RandomAudit::close`] refuses a window with a chosen part that has no verdict.

use super::binomial::upper_bound;
use super::decision::Decision;
use super::keyed_hash::KeyedHash;
use super::part::{Audited, Class, Part};
use super::score::Score;

/// Share of the inspections that is audited unless the line says otherwise.
pub const USUAL_SHARE: f64 = 0.02;

/// Who is audited.
#[derive(Debug, Clone)]
pub struct RandomAudit {
    hash: KeyedHash,
    share: f64,
}

/// An inspection in the window that is closed.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspected<'a> {
    /// Its id.
    pub id: &'a str,
    /// The part's lot or shift.
    pub group: &'a str,
    /// The part's score, if it has one.
    pub score: Option<Score>,
    /// What the line decided.
    pub decision: Decision,
    /// What a person found. `None`: there is no verdict, or it is "unsure".
    pub verdict: Option<Class>,
}

/// Chosen parts lack a verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{missing} of {chosen} audited inspections have no verdict of OK or NG, the first is {first}: label them, or close an earlier window"
)]
pub struct Unanswered {
    /// How many were chosen.
    pub chosen: usize,
    /// How many of them have no verdict.
    pub missing: usize,
    /// Id of the first of them.
    pub first: String,
}

/// All audited parts of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditedWindow {
    /// The parts with a score; they may calibrate the line.
    pub parts: Vec<Part<Audited>>,
    /// Those that the line had decided OK.
    pub shipped: ShippedAudit,
}

impl RandomAudit {
    /// `key` is a secret of the server. `share` is from 0 to 1; otherwise `None`.
    pub fn new(key: &[u8], share: f64) -> Option<Self> {
        let hash = KeyedHash::new(key, "audit");
        (0.0..=1.0).contains(&share).then_some(Self { hash, share })
    }

    /// Whether this inspection is audited.
    pub fn chooses(&self, inspection: &str) -> bool {
        self.hash.share(inspection) < self.share
    }

    /// Closes a window: give **all** its inspections, in any order. Those that are not chosen are left out, with or
    /// without a verdict.
    ///
    /// # Errors
    /// If a chosen inspection has no verdict.
    pub fn close<'a>(
        &self,
        inspections: impl IntoIterator<Item = Inspected<'a>>,
    ) -> Result<AuditedWindow, Unanswered> {
        let mut window = AuditedWindow {
            parts: vec![],
            shipped: ShippedAudit::default(),
        };
        let mut unanswered = Unanswered {
            chosen: 0,
            missing: 0,
            first: String::new(),
        };
        for inspection in inspections {
            if !self.chooses(inspection.id) {
                continue;
            }
            unanswered.chosen += 1;
            let Some(class) = inspection.verdict else {
                if unanswered.missing == 0 {
                    inspection.id.clone_into(&mut unanswered.first);
                }
                unanswered.missing += 1;
                continue;
            };
            if inspection.decision == Decision::Ok {
                window.shipped.add(class);
            }
            // A part without a score always goes to review: no promise is about it.
            window.parts.extend(
                inspection
                    .score
                    .map(|score| Part::audited(inspection.group, score, class)),
            );
        }
        if unanswered.missing == 0 {
            Ok(window)
        } else {
            Err(unanswered)
        }
    }
}

/// What the audit found among parts that the line had decided OK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct ShippedAudit {
    /// Number of audited parts.
    pub audited: u64,
    /// Number of them that are NG.
    pub ng: u64,
}

impl ShippedAudit {
    /// Counts one more.
    pub fn add(&mut self, found: Class) {
        self.audited = self.audited.saturating_add(1);
        self.ng = self.ng.saturating_add(u64::from(found == Class::Ng));
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            audited: self.audited.saturating_add(other.audited),
            ng: self.ng.saturating_add(other.ng),
        }
    }

    /// Clopper-Pearson upper bound of the share of NG among the parts that were decided OK. It has its confidence for a
    /// number of audits that was fixed before; who waits until it looks good has less.
    pub fn upper_bound(&self, confidence: f64) -> f64 {
        upper_bound(self.audited as f64, self.ng as f64, confidence)
    }
}

#[cfg(test)]
mod tests {
    use super::super::decision::Reason;
    use super::*;

    #[test]
    fn two_in_a_hundred_are_chosen_always_the_same() {
        let audit = RandomAudit::new(b"secret", USUAL_SHARE).unwrap();
        let chosen = |audit: &RandomAudit| -> Vec<usize> {
            (0..20_000)
                .filter(|id| audit.chooses(&format!("inspection-{id}")))
                .collect()
        };
        let first = chosen(&audit);
        // 400 ± 5 standard deviations
        assert!((300..500).contains(&first.len()), "{}", first.len());
        assert_eq!(chosen(&RandomAudit::new(b"secret", 0.02).unwrap()), first);
        assert_ne!(chosen(&RandomAudit::new(b"another", 0.02).unwrap()), first);
        assert!(chosen(&RandomAudit::new(b"secret", 0.0).unwrap()).is_empty());
        assert_eq!(
            chosen(&RandomAudit::new(b"secret", 1.0).unwrap()).len(),
            20_000
        );
        assert!(RandomAudit::new(b"secret", 1.1).is_none());
        assert!(RandomAudit::new(b"secret", f64::NAN).is_none());
    }

    #[test]
    fn what_audits_show_about_what_was_shipped() {
        let bound = |audited, ng| ShippedAudit { audited, ng }.upper_bound(0.95);
        assert!(bound(299, 0) <= 0.01 && bound(298, 0) > 0.01);
        assert!(bound(2995, 0) <= 0.001 && bound(2994, 0) > 0.001);
        assert!(bound(299, 1) > 0.01);
        assert_eq!(bound(0, 0), 1.0);
    }

    fn inspected(id: &str, decision: Decision, verdict: Option<Class>) -> Inspected<'_> {
        Inspected {
            id,
            group: "lot",
            score: Score::new(0.5),
            decision,
            verdict,
        }
    }

    #[test]
    fn a_window_has_all_chosen_parts_and_no_other() {
        let audit = RandomAudit::new(b"secret", 0.5).unwrap();
        let ids: Vec<String> = (0..200).map(|id| id.to_string()).collect();
        let chosen = ids.iter().filter(|id| audit.chooses(id)).count();
        let review = Decision::Review(Reason::Ambiguous);
        // Everything that went to review has a verdict; of the rest only what the audit chose has one.
        let window = |forgotten: Option<&str>| {
            audit.close(ids.iter().enumerate().map(|(number, id)| {
                let decision = if number % 2 == 0 {
                    Decision::Ok
                } else {
                    review
                };
                let labelled = number % 2 == 1 || audit.chooses(id) && forgotten != Some(id);
                inspected(id, decision, labelled.then_some(Class::Ok))
            }))
        };
        let closed = window(None).unwrap();
        assert_eq!(closed.parts.len(), chosen);
        let shipped = ids.iter().step_by(2).filter(|id| audit.chooses(id)).count();
        assert_eq!(
            closed.shipped,
            ShippedAudit {
                audited: shipped as u64,
                ng: 0
            }
        );

        let forgotten = ids.iter().step_by(2).find(|id| audit.chooses(id)).unwrap();
        let error = window(Some(forgotten)).unwrap_err();
        assert_eq!(
            (error.chosen, error.missing, &error.first),
            (chosen, 1, forgotten)
        );
    }
}
