//! The definition of a line, as it is stored with each version.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::LineError;
use crate::named;
use crate::promise::{Promise, Split, USUAL_SHARE};

/// Longest name: the reference that a line makes of its own images has five characters more.
const LONGEST_NAME: usize = 59;

/// Statements of a line, at most.
const MOST_STATEMENTS: usize = 256;

/// Longest text of a statement or of its kind, in bytes.
const LONGEST_TEXT: usize = 2000;

/// Days that images may be kept, at most: a hundred years.
const MOST_DAYS: u32 = 36_500;

/// What a line compares with, asks and promises.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// The reference that parts are compared with; that of the first view, if there are several.
    pub reference: String,
    /// The references of the views of a part, in the order of its images. Empty: all images are compared with `reference`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<String>,
    /// The model that compares; without it that of the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Texts about changes.
    #[serde(default)]
    pub statements: Vec<Statement>,
    /// What is promised.
    #[serde(default)]
    pub promise: Promised,
    /// The declared share of NG parts among all, from 0 to 1.
    #[serde(default)]
    pub defect_rate: Option<f64>,
    /// How labelled parts are divided.
    #[serde(default)]
    pub split: Shares,
    /// Share of all inspections that a keyed hash chooses for a person, from 0 to 1.
    pub audit: f64,
    /// Days that images of inspections are kept; for ever if it is missing.
    #[serde(default)]
    pub retention_days: Option<u32>,
    /// When inspections are stored.
    #[serde(default)]
    pub store: Store,
}

/// When an inspection is stored, if the database is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LineStore)]
pub enum Store {
    /// Before it is answered: without the database it is refused.
    #[default]
    Before,
    /// It is answered as soon as it is in a file on the server's disk, and stored when the database is back.
    Queued,
}

/// A text about a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LineStatement)]
pub struct Statement {
    /// What may be true of a part.
    pub text: String,
    /// What is true of the reference, said the same way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_text: Option<String>,
    /// The kind of defect that the text describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// Two promises, each about one class, which hold together with probability 1 − `delta`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = LinePromise)]
pub struct Promised {
    /// At most this share of the NG parts is decided OK.
    #[schema(minimum = 0.00001, maximum = 0.5, default = 0.02)]
    pub escape: f64,
    /// At most this share of the OK parts is decided NG.
    #[schema(minimum = 0.00001, maximum = 0.5, default = 0.02)]
    pub overkill: f64,
    /// Probability that a calibration breaks one of the two.
    #[schema(minimum = 0.000001, maximum = 0.5, default = 0.05)]
    pub delta: f64,
}

impl Default for Promised {
    fn default() -> Self {
        Self {
            escape: 0.02,
            overkill: 0.02,
            delta: 0.05,
        }
    }
}

/// Shares of the lots of labelled parts. What they leave is held out, to check the promise with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = LineSplit)]
pub struct Shares {
    /// For the weights of change and statements; without it the change counts alone. Needs statements with a
    /// `reference_text`, and 20 parts of each class in these lots.
    #[schema(minimum = 0, maximum = 1, default = 0.0)]
    pub fit: f64,
    /// For thresholds.
    #[schema(minimum = 0, maximum = 1, default = 0.75)]
    pub calibrate: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            fit: 0.0,
            calibrate: 0.75,
        }
    }
}

/// The share of inspections that is audited unless the line says otherwise.
pub fn usual_audit() -> f64 {
    USUAL_SHARE
}

impl Definition {
    /// Checks what the types cannot express.
    ///
    /// # Errors
    /// [`LineError::Invalid`].
    pub fn check(&self) -> Result<(), LineError> {
        self.promised()?;
        self.split(b"")?;
        let share = |field: &str, value: f64| {
            let fits = (0.0..=1.0).contains(&value);
            let reason = || LineError::invalid(field, format!("{value} is not from 0 to 1"));
            fits.then_some(()).ok_or_else(reason)
        };
        share("audit", self.audit)?;
        self.defect_rate
            .map_or(Ok(()), |rate| share("defect_rate", rate))?;
        if self.statements.len() > MOST_STATEMENTS {
            let found = self.statements.len();
            let reason = format!("{found} statements; at most {MOST_STATEMENTS} are allowed");
            return Err(LineError::invalid("statements", reason));
        }
        for (number, statement) in self.statements.iter().enumerate() {
            let texts = [
                Some(&statement.text),
                statement.reference_text.as_ref(),
                statement.kind.as_ref(),
            ];
            let fits = |text: &&String| !text.is_empty() && text.len() <= LONGEST_TEXT;
            if !texts.iter().flatten().all(fits) {
                let reason = format!("a text has 1 to {LONGEST_TEXT} bytes");
                return Err(LineError::invalid(format!("statements[{number}]"), reason));
            }
        }
        if self
            .retention_days
            .is_some_and(|days| !(1..=MOST_DAYS).contains(&days))
        {
            let reason =
                format!("images are kept for 1 to {MOST_DAYS} days, or for ever without it");
            return Err(LineError::invalid("retention_days", reason));
        }
        Ok(())
    }

    /// Whether scores are made of statements, too.
    pub fn weighs_statements(&self) -> bool {
        let mut statements = self.statements.iter();
        self.split.fit > 0.0 && statements.any(|statement| statement.reference_text.is_some())
    }

    /// The references that parts are compared with: one, or that of each view.
    pub fn references(&self) -> &[String] {
        if self.views.is_empty() {
            std::slice::from_ref(&self.reference)
        } else {
            &self.views
        }
    }

    /// The reference that an image of a part is compared with, counted from 0.
    pub fn reference_of(&self, image: usize) -> &str {
        self.views.get(image).unwrap_or(&self.reference)
    }

    /// The promise.
    ///
    /// # Errors
    /// [`LineError::Invalid`] for numbers out of range.
    pub fn promised(&self) -> Result<Promise, LineError> {
        let Promised {
            escape,
            overkill,
            delta,
        } = self.promise;
        Promise::new(escape, overkill, delta).map_err(|error| {
            LineError::invalid(format!("promise.{}", error.name), error.to_string())
        })
    }

    /// How lots are divided, with the line's key.
    ///
    /// # Errors
    /// [`LineError::Invalid`] for shares that cannot be.
    pub fn split(&self, key: &[u8]) -> Result<Split, LineError> {
        let split = Split::new(key, self.split.fit, self.split.calibrate);
        split.map_err(|error| LineError::invalid("split", error.to_string()))
    }
}

/// Checks the name of a line.
///
/// # Errors
/// [`LineError::BadName`].
pub fn check_name(name: &str) -> Result<(), LineError> {
    let fits = name.len() <= LONGEST_NAME && named::check_name(name).is_ok();
    fits.then_some(())
        .ok_or_else(|| LineError::BadName(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Definition {
        Definition {
            reference: "bolts".to_owned(),
            views: Vec::new(),
            model: None,
            statements: vec![],
            promise: Promised::default(),
            defect_rate: None,
            split: Shares::default(),
            audit: usual_audit(),
            retention_days: None,
            store: Store::default(),
        }
    }

    #[test]
    fn wrong_numbers_are_named() {
        assert!(usual().check().is_ok());
        let field_of = |change: fn(&mut Definition)| {
            let mut wrong = usual();
            change(&mut wrong);
            match wrong.check() {
                Err(LineError::Invalid { field, .. }) => field,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(field_of(|d| d.promise.escape = 2.0), "promise.escape");
        assert_eq!(field_of(|d| d.promise.delta = f64::NAN), "promise.delta");
        assert_eq!(field_of(|d| d.split.calibrate = 0.0), "split");
        assert_eq!(field_of(|d| d.audit = -0.1), "audit");
        assert_eq!(field_of(|d| d.defect_rate = Some(1.5)), "defect_rate");
        assert_eq!(field_of(|d| d.retention_days = Some(0)), "retention_days");
        let empty = |d: &mut Definition| {
            d.statements = vec![Statement {
                text: String::new(),
                reference_text: None,
                kind: None,
            }];
        };
        assert_eq!(field_of(empty), "statements[0]");
        for name in ["", ".a", "a/b", &"a".repeat(60)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name(&"a".repeat(59)).is_ok());
    }
}
