//! A TOML file of settings: read, checked key by key, and passed to the arguments of `clip-in serve` as their defaults.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command, FromArgMatches};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems, place};
use super::setting::{Kind, Setting, all, command_without_environment, nearest, with_default};
use super::settings::ServeSettings;
use super::tables::{TABLES, Table, table_of};
use crate::byte_order_mark;

/// Maximum size; a larger file is not a settings file.
const MOST_BYTES: u64 = 64 << 10;

/// A settings file in which each value is valid by itself.
#[derive(Debug, Clone)]
pub struct SettingsFile {
    path: PathBuf,
    values: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    line: usize,
    id: String,
    values: Vec<String>,
}

impl SettingsFile {
    /// Reads a file.
    ///
    /// # Errors
    /// All errors in it.
    pub fn open(path: &Path) -> Result<Self, Problems> {
        let (file, problems) = Self::examine(path);
        if problems.is_empty() {
            return Ok(file);
        }
        let path = path.to_owned();
        Err(Problems { path, problems })
    }

    /// The valid part of a file, and the errors in the rest.
    pub fn examine(path: &Path) -> (Self, Vec<Problem>) {
        let mut file = Self {
            path: path.to_owned(),
            values: BTreeMap::new(),
        };
        let text = match read(path) {
            Ok(text) => text,
            Err(reason) => return (file, vec![Problem::of_file(reason)]),
        };
        let (tables, errors) = DeTable::parse_recoverable(&text);
        if !errors.is_empty() {
            // Without the parser's excerpt of the file, which may contain a secret.
            let problem = |error: &toml::de::Error| {
                let at = error.span().map(|span| line(&text, span.start));
                Problem::of_line(at, format!("this is not valid TOML: {}", error.message()))
            };
            let mut problems: Vec<_> = errors.iter().map(problem).collect();
            problems.sort_by_key(|problem| problem.line);
            return (file, problems);
        }
        let known: BTreeMap<_, _> = all().into_iter().map(|s| (s.key(), s)).collect();
        let mut problems = Vec::new();
        for (name, content) in tables.get_ref() {
            let at = line(&text, name.span().start);
            let name = name.get_ref();
            let table = TABLES.iter().find(|table| table.name == &**name);
            let reason = match (table, content.get_ref()) {
                (Some(table), DeValue::Table(content)) => {
                    file.read_table(&text, table, content, &known, &mut problems);
                    continue;
                }
                (Some(_), _) => format!("{name} is a table; write [{name}]"),
                (None, DeValue::Table(_)) => {
                    format!("there is no table [{name}]; the tables are {}", names())
                }
                (None, _) => unknown(name, None),
            };
            problems.push(Problem::of_line(Some(at), reason));
        }
        problems.sort_by_key(|problem| problem.line);
        (file, problems)
    }

    fn read_table(
        &mut self,
        text: &str,
        table: &Table,
        content: &DeTable<'_>,
        known: &BTreeMap<String, Setting>,
        problems: &mut Vec<Problem>,
    ) {
        for (key, value) in content {
            let at = line(text, key.span().start);
            let key = key.get_ref();
            let setting = known
                .get(&**key)
                .filter(|_| table_of(key).is_some_and(|found| found.name == table.name));
            let Some(setting) = setting else {
                problems.push(Problem::of_line(Some(at), unknown(key, Some(table))));
                continue;
            };
            match values(setting, value) {
                Ok(values) => {
                    let id = setting.id().to_owned();
                    let line = at;
                    self.values
                        .insert(key.to_string(), Entry { line, id, values });
                }
                Err(reason) => problems.push(Problem::of_key(Some(at), key, reason)),
            }
        }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The line of a key; `None` if the file does not set it.
    pub fn line_of(&self, key: &str) -> Option<usize> {
        self.values.get(key).map(|entry| entry.line)
    }

    /// The command with this file's values as the defaults of its arguments: environment and flags have priority.
    pub fn as_defaults(&self, command: Command) -> Command {
        self.values.values().fold(command, |command, entry| {
            with_default(command, &entry.id, &entry.values)
        })
    }

    /// The settings of a server from this file alone, plus secrets from the environment, which cannot be in the file.
    ///
    /// # Errors
    /// Clap's error about a secret that it cannot parse.
    pub fn alone(&self) -> Result<ServeSettings, clap::Error> {
        let command = self.as_defaults(command_without_environment(Setting::is_secret));
        let matches: ArgMatches = command.try_get_matches_from([""; 0])?;
        ServeSettings::from_arg_matches(&matches)
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read =
        File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > MOST_BYTES {
        return Err("has more than 64 KiB; that is not a settings file".to_owned());
    }
    Ok(byte_order_mark::dropped_from(&text).to_owned())
}

/// Converts a TOML value to the value of a flag.
fn values(setting: &Setting, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, String> {
    if setting.is_secret() {
        let environment = setting.environment();
        let mut reason = format!(
            "secrets are not allowed in this file; set it in the environment as {environment}"
        );
        if setting.key() == "api_keys" {
            reason += ", or name a file with keys by api_keys_file";
        }
        return Err(reason);
    }
    let found = value.get_ref();
    let expected = |what: &str| format!("must be {what}, and is {}", described(found));
    let values = match (setting.kind(), found) {
        (Kind::Text, DeValue::String(text)) => vec![text.to_string()],
        (Kind::Text, _) => return Err(expected("a string")),
        (Kind::Switch, DeValue::Boolean(value)) => vec![value.to_string()],
        (Kind::Switch, _) => return Err(expected("true or false")),
        (Kind::Whole, DeValue::Integer(number)) => {
            let value = i64::from_str_radix(number.as_str(), number.radix());
            vec![value.map_or_else(|_| number.to_string(), |value| value.to_string())]
        }
        (Kind::Whole, _) => return Err(expected("a whole number")),
        (Kind::List, DeValue::Array(items)) => {
            let text = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
                // It would be split there, as in a flag.
                DeValue::String(text) if text.contains(',') => Err(format!(
                    "{text:?} has a comma; write each value as a string of its own"
                )),
                DeValue::String(text) => Ok(text.to_string()),
                other => Err(format!(
                    "must be a list of strings; one is {}",
                    described(other)
                )),
            };
            let items = items.iter().map(text).collect::<Result<Vec<_>, _>>()?;
            if items.is_empty() && setting.default().is_some() {
                return Err("must not be empty".to_owned());
            }
            items
        }
        (Kind::List, _) => return Err(expected("a list of strings, in brackets")),
    };
    match (setting.refusal(&values), setting.range()) {
        (None, _) => Ok(values),
        (Some(_), Some((low, high))) => Err(format!(
            "must be {low} to {high}, and is {}",
            values.concat()
        )),
        (Some(reason), None) => Err(reason),
    }
}

fn described(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The message about a key that does not exist or is in the wrong table (`None`: in no table).
fn unknown(key: &str, table: Option<&Table>) -> String {
    let stands = match table {
        Some(table) => format!("in [{}]", table.name),
        None => "before the first table".to_owned(),
    };
    if table_of(key).is_some() {
        return format!("{key} does not belong {stands}; it is {}", place(key));
    }
    match nearest(key) {
        Some(near) => format!("there is no {key:?}; did you mean {}?", place(&near)),
        None => {
            format!("there is no {key:?}; `clip-in config print --defaults` shows all settings")
        }
    }
}

fn names() -> String {
    let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
    names.join(", ")
}

/// The line of a byte, from 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}
