//! From what is known about a part to OK, NG or review, with all reasons.

use serde::{Deserialize, Serialize};

use crate::promise::{self, Decision, InForce, Score};

/// What the line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decided {
    /// Good, without a person.
    Ok,
    /// Not good, without a person.
    Ng,
    /// A person decides.
    Review,
}

impl Decided {
    /// As it is stored and counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Ng => "ng",
            Self::Review => "review",
        }
    }
}

/// Why a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The picture is darker, lighter, less sharp or of another shape than those of the calibration.
    #[serde(rename = "camera")]
    Camera,
    /// The part lies in another way than the reference.
    #[serde(rename = "pose")]
    Pose,
    /// A monitor raised an alarm, and it was not ended yet.
    #[serde(rename = "drift")]
    Drift,
    /// The promise that a decision would need does not hold.
    #[serde(rename = "not calibrated")]
    NotCalibrated,
    /// The score is usual for both classes.
    #[serde(rename = "ambiguous")]
    Ambiguous,
    /// The score is unusual for both classes.
    #[serde(rename = "unlike anything calibrated")]
    Unlike,
}

impl Reason {
    /// All reasons.
    pub const ALL: &'static [Self] = &[
        Self::Camera,
        Self::Pose,
        Self::Drift,
        Self::NotCalibrated,
        Self::Ambiguous,
        Self::Unlike,
    ];

    /// As it is written in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Pose => "pose",
            Self::Drift => "drift",
            Self::NotCalibrated => promise::Reason::NotCalibrated.as_str(),
            Self::Ambiguous => promise::Reason::Ambiguous.as_str(),
            Self::Unlike => promise::Reason::UnlikeAnythingCalibrated.as_str(),
        }
    }
}

impl From<promise::Reason> for Reason {
    fn from(reason: promise::Reason) -> Self {
        match reason {
            promise::Reason::Ambiguous => Self::Ambiguous,
            promise::Reason::UnlikeAnythingCalibrated => Self::Unlike,
            promise::Reason::NotCalibrated => Self::NotCalibrated,
        }
    }
}

/// What is known about a part.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Seen {
    /// The highest score of its images; `None` if one has none.
    pub score: Option<Score>,
    /// One of its pictures is not like those of the calibration.
    pub camera: bool,
    /// It lies in another way in one of them.
    pub pose: bool,
    /// The line's promise is suspended.
    pub drift: bool,
}

/// Decides. Whatever stands against an automatic decision is a reason for review.
pub fn decide(in_force: Option<&InForce>, seen: &Seen) -> (Decided, Vec<Reason>) {
    let against = [
        (seen.camera, Reason::Camera),
        (seen.pose, Reason::Pose),
        (seen.drift, Reason::Drift),
    ];
    let mut reasons: Vec<_> = against
        .into_iter()
        .filter_map(|(found, reason)| found.then_some(reason))
        .collect();
    let decided = match in_force.map(|in_force| in_force.decide(seen.score)) {
        Some(Decision::Ok) => Decided::Ok,
        Some(Decision::Ng) => Decided::Ng,
        Some(Decision::Review(reason)) => {
            // A picture that could not be compared has no score, and the camera is the reason.
            if seen.score.is_some() || reasons.is_empty() {
                reasons.push(reason.into());
            }
            Decided::Review
        }
        None => {
            reasons.push(Reason::NotCalibrated);
            Decided::Review
        }
    };
    if reasons.is_empty() {
        (decided, reasons)
    } else {
        (Decided::Review, reasons)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::promise::{Calibration, CalibrationPart, Class, Declaration, Part, Promise};

    /// OK below 1, NG from 2 on, about.
    pub fn in_force() -> InForce {
        let declared = Declaration::new("test", "drawn").unwrap();
        let parts: Vec<CalibrationPart> = (0..200)
            .map(|number| {
                let share = f64::from(number / 2) / 100.0;
                let (class, score) = if number % 2 == 0 {
                    (Class::Ok, 2.0 * share)
                } else {
                    (Class::Ng, 1.0 + 2.0 * share)
                };
                let part = Part::labelled(&declared, &number.to_string(), &[score], class);
                part.unwrap().into()
            })
            .collect();
        let promise = Promise::new(0.1, 0.1, 0.1).unwrap();
        InForce::from(&Calibration::new(promise, &parts).unwrap())
    }

    #[test]
    fn anything_against_a_decision_sends_to_review() {
        let in_force = in_force();
        let seen = |score: f64| Seen {
            score: Score::new(score),
            ..Seen::default()
        };
        assert_eq!(decide(Some(&in_force), &seen(0.1)), (Decided::Ok, vec![]));
        assert_eq!(decide(Some(&in_force), &seen(2.9)), (Decided::Ng, vec![]));
        let ambiguous = (Decided::Review, vec![Reason::Ambiguous]);
        assert_eq!(decide(Some(&in_force), &seen(1.5)), ambiguous);
        let uncalibrated = (Decided::Review, vec![Reason::NotCalibrated]);
        assert_eq!(decide(None, &seen(0.1)), uncalibrated);
        for (against, reason) in [
            (
                Seen {
                    camera: true,
                    ..seen(0.1)
                },
                Reason::Camera,
            ),
            (
                Seen {
                    pose: true,
                    ..seen(0.1)
                },
                Reason::Pose,
            ),
            (
                Seen {
                    drift: true,
                    ..seen(2.9)
                },
                Reason::Drift,
            ),
            (
                Seen {
                    camera: true,
                    score: None,
                    ..seen(0.1)
                },
                Reason::Camera,
            ),
        ] {
            assert_eq!(
                decide(Some(&in_force), &against),
                (Decided::Review, vec![reason])
            );
        }
        let both = Seen {
            drift: true,
            ..seen(1.5)
        };
        let reasons = decide(Some(&in_force), &both).1;
        assert_eq!(reasons, [Reason::Drift, Reason::Ambiguous]);
        let none = Seen::default();
        assert_eq!(
            decide(Some(&in_force), &none),
            (Decided::Review, vec![Reason::Unlike])
        );
    }

    #[test]
    fn names_are_those_of_the_answer() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
    }
}
