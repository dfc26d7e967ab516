//! Labelled parts, and which of them may calibrate a line.
//!
//! A promise is about the parts that the line will see. It holds only if the calibration parts are a fair sample of them.
//! **Labels from the review queue are not**: the line itself chose these parts, because it was unsure about them. They
//! may train a model, and may never calibrate a line. The types say so: [`CalibrationPart`] is made of a [`Part`] whose
//! source is [`Unselected`], and [`Reviewed`] is not.
//!
//! | source | where the label comes from | calibrates |
//! |---|---|---|
//! | [`Labelled`] | a person labelled whole lots or a whole window, before the line decided about them | yes |
//! | [`Audited`] | a keyed hash chose the inspection, whatever the decision ([`super::random_audit`]) | yes |
//! | [`Reviewed`] | the review queue | no |
//!
//! ```
//! use clip_in_numerics::promise::{CalibrationPart, Class, Declaration, Part};
//!
//! let declaration = Declaration::new("m.meier", "lots 12 to 40").unwrap();
//! let part = Part::labelled(&declaration, "lot 12", &[0.3], Class::Ok).unwrap();
//! let calibrates: CalibrationPart = part.into();
//! # assert_eq!(calibrates.group(), "lot 12");
//! ```
//!
//! The same with a label from the review queue does not compile: `Reviewed` is not `Unselected`.
//!
//! ```compile_fail,E0277
//! use clip_in_numerics::promise::{CalibrationPart, Class, Part};
//!
//! let part = Part::reviewed("lot 12", &[0.3], Class::Ok).unwrap();
//! let calibrates: CalibrationPart = part.into();
//! # assert_eq!(calibrates.group(), "lot 12");
//! ```
//!
//! Nor can a part be given another source, or another kind of part be declared fit for calibration: fields are private,
//! and the traits are sealed.
//!
//! ```compile_fail,E0451
//! use clip_in_numerics::promise::{Class, Declaration, Labelled, Part};
//!
//! let declaration = Declaration::new("m.meier", "lots 12 to 40").unwrap();
//! let labelled = Part::labelled(&declaration, "lot 12", &[0.3], Class::Ok).unwrap();
//! let reviewed = Part::reviewed("lot 13", &[0.3], Class::Ok).unwrap();
//! let part = Part::<Labelled> { group: reviewed.group().to_owned(), ..labelled };
//! ```
//!
//! ```compile_fail,E0277
//! struct Convenient;
//! impl clip_in_numerics::promise::Source for Convenient {}
//! ```
//!
//! A label of an audit comes from [`super::AuditedWindow`] only, which has all parts that the hash chose:
//!
//! ```compile_fail,E0624
//! use clip_in_numerics::promise::{Class, Part};
//!
//! let part = Part::audited("lot 12", &[0.3], Class::Ok);
//! ```

use std::marker::PhantomData;

use super::score::{Score, ScoreError};

/// What a part truly is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Good.
    Ok,
    /// Not good: it has a defect.
    Ng,
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Ng => "NG",
        })
    }
}

mod sealed {
    pub trait Sealed {}
}

/// Where a label comes from.
pub trait Source: sealed::Sealed {}

/// A source of labels that no decision of the line selected.
pub trait Unselected: Source {}

/// A person labelled whole lots or a whole window, before the line decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labelled {}
/// A keyed hash chose the inspection, whatever the line decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audited {}
/// The line sent the part to the review queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reviewed {}

impl sealed::Sealed for Labelled {}
impl sealed::Sealed for Audited {}
impl sealed::Sealed for Reviewed {}
impl Source for Labelled {}
impl Source for Audited {}
impl Source for Reviewed {}
impl Unselected for Labelled {}
impl Unselected for Audited {}

/// Somebody's statement that parts were labelled as they came, and not because of what the line decided about them. It
/// belongs into the calibration's report.
#[derive(Debug, PartialEq, Eq)]
pub struct Declaration {
    who: String,
    what: String,
}

impl Declaration {
    /// Who declares, and which parts: lots, dates. `None` if one of them is empty.
    pub fn new(who: &str, what: &str) -> Option<Self> {
        let stated = !who.trim().is_empty() && !what.trim().is_empty();
        stated.then(|| Self {
            who: who.trim().to_owned(),
            what: what.trim().to_owned(),
        })
    }

    /// Who declared.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// Which parts.
    pub fn what(&self) -> &str {
        &self.what
    }
}

/// A part with its score and its true class. `S` is where the class comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<S: Source> {
    group: String,
    score: Score,
    class: Class,
    source: PhantomData<S>,
}

impl<S: Source> Part<S> {
    fn new(group: &str, score: Score, class: Class) -> Self {
        Self {
            group: group.to_owned(),
            score,
            class,
            source: PhantomData,
        }
    }

    /// The lot or shift. Parts of one group are alike.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The highest score of its images.
    pub fn score(&self) -> Score {
        self.score
    }

    /// What it truly is.
    pub fn class(&self) -> Class {
        self.class
    }
}

impl Part<Labelled> {
    /// A part that was labelled as it came. `images` are the scores of its images or views.
    ///
    /// # Errors
    /// If there is no image, or a score is not a finite number.
    pub fn labelled(
        _declared: &Declaration,
        group: &str,
        images: &[f64],
        class: Class,
    ) -> Result<Self, ScoreError> {
        Ok(Self::new(group, Score::of_part(images)?, class))
    }
}

impl Part<Audited> {
    /// For [`super::AuditedWindow`], which checks that none of the chosen parts is missing.
    pub(super) fn audited(group: &str, score: Score, class: Class) -> Self {
        Self::new(group, score, class)
    }
}

impl Part<Reviewed> {
    /// A part from the review queue: it may train a model, and cannot calibrate a line.
    ///
    /// # Errors
    /// If there is no image, or a score is not a finite number.
    pub fn reviewed(group: &str, images: &[f64], class: Class) -> Result<Self, ScoreError> {
        Ok(Self::new(group, Score::of_part(images)?, class))
    }
}

/// A part that may calibrate a line. It is made of a [`Part`] whose source is [`Unselected`], and of nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationPart {
    group: String,
    score: Score,
    class: Class,
}

impl<S: Unselected> From<Part<S>> for CalibrationPart {
    fn from(part: Part<S>) -> Self {
        Self {
            group: part.group,
            score: part.score,
            class: part.class,
        }
    }
}

impl CalibrationPart {
    /// The lot or shift.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The highest score of its images.
    pub fn score(&self) -> Score {
        self.score
    }

    /// What it truly is.
    pub fn class(&self) -> Class {
        self.class
    }
}
