//! Errors in a settings file, for its author.

use std::fmt;
use std::path::PathBuf;

use super::tables::table_of;

/// One error. It never shows a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, counted from 1, if it is known.
    pub line: Option<usize>,
    /// The table and the key, such as `[engine] queue`; `None` if the error concerns the whole file.
    pub place: Option<String>,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl Problem {
    /// An error of the whole file.
    pub fn of_file(reason: impl Into<String>) -> Self {
        Self {
            line: None,
            place: None,
            reason: reason.into(),
        }
    }

    /// An error in a line.
    pub fn of_line(line: Option<usize>, reason: impl Into<String>) -> Self {
        Self {
            line,
            ..Self::of_file(reason)
        }
    }

    /// An error of one key.
    pub fn of_key(line: Option<usize>, key: &str, reason: impl Into<String>) -> Self {
        Self {
            line,
            place: Some(place(key)),
            reason: reason.into(),
        }
    }
}

/// How messages name a setting: `[engine] queue`.
pub fn place(key: &str) -> String {
    table_of(key).map_or_else(|| key.to_owned(), |table| format!("[{}] {key}", table.name))
}

/// All errors in a file; displayed one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file.
    pub path: PathBuf,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", self.path.display())?;
            if let Some(line) = problem.line {
                write!(f, ", line {line}")?;
            }
            if let Some(place) = &problem.place {
                write!(f, ": {place}")?;
            }
            write!(f, ": {}", problem.reason)?;
        }
        Ok(())
    }
}
