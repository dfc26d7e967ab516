//! What a file's name says about the part.

use std::path::Path;

use anyhow::{anyhow, bail};
use regex::Regex;

/// The fields of an inspection that a name may give.
const FIELDS: [&str; 4] = ["part", "lot", "station", "trigger"];

/// Longest value that the server takes, in bytes.
const LONGEST: usize = 200;

/// How fields are read from a name.
#[derive(Debug, Clone)]
pub struct NameFields(Regex);

impl std::str::FromStr for NameFields {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let pattern =
            Regex::new(text).map_err(|error| anyhow!("no regular expression: {error}"))?;
        let mut groups = pattern.capture_names().flatten().peekable();
        if groups.peek().is_none() {
            bail!("no named group, such as (?<trigger>[0-9]+)");
        }
        if let Some(other) = groups.find(|name| !FIELDS.contains(name)) {
            bail!("the group {other} is none of {}", FIELDS.join(", "));
        }
        Ok(Self(pattern))
    }
}

impl NameFields {
    /// Whether names have the number of the camera's trigger.
    pub fn has_trigger(&self) -> bool {
        self.0
            .capture_names()
            .flatten()
            .any(|name| name == "trigger")
    }

    /// The fields in a file's name; `None` if the pattern does not match. Empty ones are left out.
    fn of(&self, name: &str) -> Option<Vec<(&'static str, String)>> {
        let found = self.0.captures(name)?;
        let value = |field| found.name(field).map(|value| cut(value.as_str()));
        let fields = FIELDS.map(|field| Some((field, value(field)?)));
        Some(
            fields
                .into_iter()
                .flatten()
                .filter(|(_, value)| !value.is_empty())
                .collect(),
        )
    }
}

/// The fields of a file: those in its name, and its name without the ending as the part.
pub fn fields_of(path: &Path, pattern: Option<&NameFields>) -> Vec<(&'static str, String)> {
    let text =
        |name: Option<&std::ffi::OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
    let in_name = pattern.and_then(|pattern| pattern.of(&text(path.file_name())));
    let mut fields = in_name.unwrap_or_default();
    if !fields.iter().any(|(field, _)| *field == "part") {
        fields.push(("part", cut(&text(path.file_stem()))));
    }
    fields
}

fn cut(value: &str) -> String {
    let end = (0..=value.len().min(LONGEST))
        .rev()
        .find(|end| value.is_char_boundary(*end));
    value.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_fields_and_its_stem_is_the_part() {
        let pattern: NameFields = "^(?<station>[a-z]+)_(?<trigger>[0-9]+)(_(?<lot>\\w*))?\\."
            .parse()
            .unwrap();
        assert!(pattern.has_trigger());
        let fields = |name: &str| fields_of(Path::new(name), Some(&pattern));
        let owned = |fields: &[(&'static str, &str)]| {
            fields
                .iter()
                .map(|(field, value)| (*field, (*value).to_owned()))
                .collect::<Vec<_>>()
        };
        let expected = owned(&[
            ("lot", "L7"),
            ("station", "left"),
            ("trigger", "0012"),
            ("part", "left_0012_L7"),
        ]);
        assert_eq!(fields("shift/left_0012_L7.png"), expected);
        assert_eq!(fields("left_0013_.png").len(), 3);
        assert_eq!(fields("other.png"), owned(&[("part", "other")]));
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        let name = format!("a{}.png", "é".repeat(120));
        let fields = fields_of(Path::new(&name), None);
        assert_eq!(fields[0].1.len(), 199);
    }

    #[test]
    fn patterns_without_a_known_group_are_refused() {
        for (pattern, word) in [
            ("(", "regular expression"),
            ("[0-9]+", "named group"),
            ("(?<camera>.)", "camera"),
        ] {
            let error = pattern.parse::<NameFields>().unwrap_err();
            assert!(format!("{error:#}").contains(word), "{error:#}");
        }
    }
}
