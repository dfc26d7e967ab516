//! The reference of settings as Markdown: a page of the documentation.

use std::fmt::Write;

use super::print::toml as in_toml;
use super::setting::{Kind, Setting, all};
use super::tables::{TABLES, table_of};

const ABOUT: &str = "\
# Settings

`clip-in config reference` prints this page.

A key of the file is also a flag of `clip-in serve` and a variable of the environment: `request_seconds` in the table \
`[server]` is `--request-seconds` and `CLIP_IN_REQUEST_SECONDS`. A flag wins over the environment, the environment over the \
file, and the file over the default. Relative paths begin in the folder where the server is started.

| Command | Purpose |
|---|---|
| `clip-in serve --config FILE` | reads settings from a file (`CLIP_IN_CONFIG` names it too) |
| `clip-in config check FILE` | lists what is wrong with a file |
| `clip-in config print` | prints the settings in effect and where each comes from |
| `clip-in config print --defaults` | prints a file with every setting at its default |
";

/// All settings, with one Markdown table per table of the file.
pub fn reference() -> String {
    let mut out = ABOUT.to_owned();
    let all = all();
    for table in TABLES {
        let _ = write!(
            out,
            "\n## `[{}]`\n\n{}.\n\n| Key | Value | Default | Purpose |\n|---|---|---|---|\n",
            table.name, table.about
        );
        let inside = |setting: &&Setting| {
            table_of(&setting.key()).is_some_and(|found| found.name == table.name)
        };
        for setting in all.iter().filter(inside) {
            let default = match setting.default() {
                Some(values) => format!("`{}`", in_toml(setting.kind(), &values)),
                None => "none".to_owned(),
            };
            let (key, value) = (setting.key(), cell(&value(setting)));
            let help = cell(&setting.help());
            let _ = writeln!(out, "| `{key}` | {value} | {default} | {help} |");
        }
    }
    out
}

/// The permitted values of a setting.
fn value(setting: &Setting) -> String {
    let choices = setting.choices();
    match (setting.kind(), setting.range()) {
        _ if setting.is_secret() => "secret: only in the environment or as a flag".to_owned(),
        (Kind::Whole, Some((low, high))) => format!("{low} to {high}"),
        (Kind::Whole, None) => "whole number".to_owned(),
        (Kind::Switch, _) => "true or false".to_owned(),
        (Kind::List, _) => "list of strings".to_owned(),
        (Kind::Text, _) if choices.is_empty() => "string".to_owned(),
        (Kind::Text, _) => choices.join(" or "),
    }
}

/// Escapes text for a table cell: `|`, `*`, `[` and `<` get no special meaning, and line breaks are removed.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for character in text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
    {
        if matches!(character, '|' | '*' | '[' | ']' | '<' | '_' | '`') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
