//! Reads the file of sinks: `[[sink]]` tables.

mod entry;
mod receivers;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use self::entry::Entry;
use super::definition::Sink;
use super::error::SinkError;
use super::interest::{Interest, Occasion};
use super::status::Status;
use crate::byte_order_mark;
use crate::quoted::quoted;

/// Sinks of a server, at most: each has its series of metrics, and each message is a row for each of them.
const MOST_SINKS: usize = 16;

/// Longest name.
const LONGEST_NAME: usize = 64;

/// Hours after which a message is given up, unless the file says otherwise.
const USUAL_AGE: u32 = 72;

/// A year.
const LONGEST_AGE: u32 = 8760;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SinkFile {
    #[serde(default)]
    sink: Vec<Entry>,
}

impl Sink {
    /// The sinks of a file, with the files of secrets and certificates that it names. Nothing is connected to.
    ///
    /// # Errors
    /// [`SinkError`].
    pub fn open(file: &Path) -> Result<Vec<Self>, SinkError> {
        let text = std::fs::read_to_string(file).map_err(|reason| SinkError::Unreadable {
            path: file.to_owned(),
            reason,
        })?;
        let text = byte_order_mark::dropped_from(&text);
        // The parser's own text would show the line, and a URL may have a token.
        let parsed: SinkFile = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| {
                text.get(..span.start)
                    .map_or(0, |before| before.matches('\n').count() + 1)
            });
            SinkError::Invalid {
                place: format!("{}, line {line}", file.display()),
                reason: error.message().to_owned(),
            }
        })?;
        let invalid = |place: &str, reason: String| SinkError::Invalid {
            place: format!("{}{place}", file.display()),
            reason,
        };
        if parsed.sink.len() > MOST_SINKS {
            let reason = format!(
                "{} sinks; at most {MOST_SINKS} are allowed",
                parsed.sink.len()
            );
            return Err(invalid("", reason));
        }
        let mut names = HashSet::new();
        let mut sinks = Vec::new();
        for entry in parsed.sink {
            let place = format!(", sink {}", quoted(&entry.name));
            let name = entry.name.clone();
            let sink = Self::of_entry(entry).map_err(|reason| invalid(&place, reason))?;
            if !names.insert(name) {
                return Err(invalid(&place, "the name is used twice".to_owned()));
            }
            sinks.push(sink);
        }
        Ok(sinks)
    }

    fn of_entry(entry: Entry) -> Result<Self, String> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !(1..=LONGEST_NAME).contains(&entry.name.len()) || !entry.name.chars().all(is_name) {
            return Err(format!(
                "name: 1 to {LONGEST_NAME} letters, digits, '-' and '_'"
            ));
        }
        let events = entry.events.as_ref().map(|names| {
            let found = names.iter().map(|name| {
                Occasion::from_name(name).ok_or_else(|| {
                    let known = Occasion::ALL.map(Occasion::name).join(", ");
                    format!("events: {} is none of {known}", quoted(name))
                })
            });
            found.collect::<Result<HashSet<_>, _>>()
        });
        for decision in entry.decisions.iter().flatten() {
            if !["ok", "ng", "review"].contains(&decision.as_str()) {
                let reason = format!("decisions: {} is none of ok, ng, review", quoted(decision));
                return Err(reason);
            }
        }
        for (field, list) in [
            ("lines", entry.lines.as_ref().map(Vec::len)),
            ("events", entry.events.as_ref().map(Vec::len)),
            ("decisions", entry.decisions.as_ref().map(Vec::len)),
        ] {
            if list == Some(0) {
                return Err(format!(
                    "{field}: an empty list lets nothing pass; leave it out for all"
                ));
            }
        }
        let hours = entry.max_age_hours.unwrap_or(USUAL_AGE);
        if !(1..=LONGEST_AGE).contains(&hours) {
            return Err(format!("max_age_hours: from 1 to {LONGEST_AGE}"));
        }
        let (receiver, pseudonyms) = (entry.receiver()?, entry.pseudonyms()?);
        Ok(Self {
            interest: Interest {
                sink: entry.name,
                lines: entry.lines.map(HashSet::from_iter),
                events: events.transpose()?,
                decisions: entry.decisions.map(HashSet::from_iter),
            },
            max_age: Duration::from_secs(u64::from(hours) * 3600),
            pseudonyms,
            receiver,
            status: Status::default(),
        })
    }
}
