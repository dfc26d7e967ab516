//! Prints settings as TOML: all of them with their defaults, or the effective ones with their sources.

use std::fmt::Write;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::file::SettingsFile;
use super::setting::{Kind, Setting, all};
use super::tables::{TABLES, table_of};

/// Maximum width of a comment line.
const WIDTH: usize = 110;

const ABOUT: &str = "\
Every setting of `clip-in serve`, and its default: what `clip-in config print --defaults` prints. `clip-in serve --config FILE` \
reads it, `clip-in config check FILE` says what is wrong with it.";
const NAMES: &str = "\
A setting is also a flag (--request-seconds for request_seconds) and a name in the environment: CLIP_IN_ and the key in \
capitals, without its table. A flag wins over the environment, the environment over this file, the file over the default.";
const REST: &str = "\
Keys that begin with # are not set; what stands there for a value is an example. Relative paths begin where the server is \
started.";

/// A file with every setting commented out.
pub fn defaults() -> String {
    let mut out = String::new();
    for text in [ABOUT, NAMES, REST] {
        comment(&mut out, text);
    }
    tables(&mut out, |out, setting| {
        out.push('\n');
        comment(out, &setting.help());
        comment(out, &facts(setting));
        let key = setting.key();
        let _ = match setting.default() {
            _ if setting.is_secret() => writeln!(out, "#{key}: only in the environment"),
            Some(values) => writeln!(out, "{key} = {}", toml(setting.kind(), &values)),
            None => writeln!(out, "#{key} = {}", example(setting)),
        };
    });
    out
}

/// The effective settings: the value of each one, and whether it is the default or comes from the file or the environment.
/// `matches` are those of [`super::command`] with the file's values as defaults. Secrets are not shown.
pub fn effective(matches: &ArgMatches, file: Option<&SettingsFile>) -> String {
    let mut out = String::new();
    let path = file.map(|file| file.path().display().to_string());
    let from = path.map_or_else(|| "no file".to_owned(), |path| format!("the file {path}"));
    let about = format!(
        "The effective settings of `clip-in serve` from {from} and the current environment. Flags have priority over both."
    );
    comment(&mut out, &about);
    tables(&mut out, |out, setting| {
        let key = setting.key();
        let source = match matches.value_source(setting.id()) {
            Some(ValueSource::EnvVariable) => "environment",
            _ if file.is_some_and(|file| file.line_of(&key).is_some()) => "file",
            _ => "default",
        };
        let values = values(matches, setting);
        let _ = match values {
            Some(_) if setting.is_secret() => writeln!(out, "#{key}: not shown  # {source}"),
            Some(values) => {
                let value = toml(setting.kind(), &values);
                writeln!(out, "{key} = {value}  # {source}")
            }
            None => writeln!(out, "#{key}: not set"),
        };
    });
    out
}

fn tables(out: &mut String, mut print: impl FnMut(&mut String, &Setting)) {
    let all = all();
    for table in TABLES {
        out.push('\n');
        comment(out, table.about);
        let _ = writeln!(out, "[{}]", table.name);
        let inside = |setting: &&Setting| {
            table_of(&setting.key()).is_some_and(|found| found.name == table.name)
        };
        for setting in all.iter().filter(inside) {
            print(out, setting);
        }
    }
}

/// A setting's name in the environment, and its permitted values.
fn facts(setting: &Setting) -> String {
    let mut facts = setting.environment();
    let choices = setting.choices();
    match setting.kind() {
        Kind::Switch => facts += "; true or false",
        Kind::List => facts += ", there with commas between",
        Kind::Whole => {
            if let Some((low, high)) = setting.range() {
                facts += &format!("; {low} to {high}");
            }
        }
        Kind::Text if choices.is_empty() => (),
        Kind::Text => facts += &format!("; {}", choices.join(" or ")),
    }
    facts
}

/// An example value.
fn example(setting: &Setting) -> String {
    let value = match setting.kind() {
        Kind::Switch => "true".to_owned(),
        Kind::List => return "[]".to_owned(),
        Kind::Whole => setting.range().map_or(1, |(low, _)| low.max(1)).to_string(),
        Kind::Text => setting.value_name(),
    };
    toml(setting.kind(), &[value])
}

fn values(matches: &ArgMatches, setting: &Setting) -> Option<Vec<String>> {
    if setting.kind() == Kind::Switch {
        // The environment may contain yes, on or 1.
        let value = matches.try_get_one::<bool>(setting.id()).ok()??;
        return Some(vec![value.to_string()]);
    }
    let raw = matches.get_raw(setting.id())?;
    Some(
        raw.map(|value| value.to_string_lossy().into_owned())
            .collect(),
    )
}

pub(super) fn toml(kind: Kind, values: &[String]) -> String {
    let first = values.first().map(String::as_str).unwrap_or_default();
    match kind {
        Kind::Text => string(first),
        // Clap accepts +5 and 007 as numbers; TOML does not.
        Kind::Whole => first
            .parse()
            .map_or_else(|_| string(first), |n: i64| n.to_string()),
        Kind::Switch => first.to_owned(),
        Kind::List => {
            let items: Vec<_> = values.iter().map(|value| string(value)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// A basic string. JSON's escapes are valid in TOML; only DEL must be escaped in addition.
fn string(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.replace('\u{7f}', "\\u007F")
}

fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() > 1 && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line += word;
    }
    let _ = writeln!(out, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_table_and_a_name_that_can_be_derived() {
        for setting in all() {
            let key = setting.key();
            assert!(table_of(&key).is_some(), "{key} has no table");
            assert_eq!(
                setting.environment(),
                format!("CLIP_IN_{}", key.to_uppercase())
            );
            assert_eq!(
                setting.kind() == Kind::Whole,
                setting.range().is_some(),
                "{key}"
            );
        }
        let mut keys: Vec<_> = TABLES
            .iter()
            .flat_map(|table| table.keys)
            .map(|key| key.name)
            .collect();
        assert_eq!(
            keys.len(),
            all().len(),
            "a table names a key that is not a setting"
        );
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all().len(), "a key is in two tables");
    }

    #[test]
    fn strings_survive() {
        for text in ["", "a\"b\\c", "tab\tline\nend\u{7f}\u{1}", "grün"] {
            let read: toml::Table = toml::from_str(&format!("x = {}", string(text))).unwrap();
            assert_eq!(read["x"].as_str(), Some(text));
        }
    }
}
