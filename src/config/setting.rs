//! A setting as in the file and the environment, derived from its clap argument.

use std::any::TypeId;
use std::error::Error as _;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Args, Command};

use super::settings::ServeSettings;
use super::tables::TABLES;

/// The type of a value in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// An integer.
    Whole,
    /// `true` or `false`.
    Switch,
    /// An array of strings.
    List,
}

/// One setting of `clip-in serve`.
#[derive(Debug, Clone)]
pub struct Setting(Arg);

/// The arguments of `clip-in serve` that can be set in a file, as a command without its own name.
pub fn command() -> Command {
    ServeSettings::augment_args(Command::new("clip-in serve").no_binary_name(true))
}

/// The same command, but only the settings that `keep` selects are read from the environment.
pub fn command_without_environment(keep: impl Fn(&Setting) -> bool) -> Command {
    command().mut_args(|argument| {
        if keep(&Setting(argument.clone())) {
            argument
        } else {
            argument.env(Resettable::Reset)
        }
    })
}

/// All settings, in the order of the tables. Settings without a table come last; a test checks that there are none.
pub fn all() -> Vec<Setting> {
    let command = command();
    let mut all: Vec<_> = command
        .get_arguments()
        .filter(|argument| argument.get_long().is_some())
        .map(|argument| Setting(argument.clone()))
        .collect();
    let order: Vec<_> = TABLES.iter().flat_map(|table| table.keys).collect();
    all.sort_by_key(|setting| {
        let key = setting.key();
        order
            .iter()
            .position(|known| known.name == key)
            .unwrap_or(order.len())
    });
    all
}

impl Setting {
    /// The argument's name within clap.
    pub fn id(&self) -> &str {
        self.0.get_id().as_str()
    }

    /// Its name in the file: that of the flag, with underscores.
    pub fn key(&self) -> String {
        self.0.get_long().unwrap_or_default().replace('-', "_")
    }

    /// Its name in the environment.
    pub fn environment(&self) -> String {
        let name = self.0.get_env().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The type of its value.
    pub fn kind(&self) -> Kind {
        let is = |wanted: &[TypeId]| {
            let found = self.0.get_value_parser().type_id();
            wanted.iter().any(|wanted| found == *wanted)
        };
        if self.0.get_value_delimiter().is_some() {
            Kind::List
        } else if is(&[TypeId::of::<bool>()]) {
            Kind::Switch
        } else if is(&[
            TypeId::of::<u8>(),
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
        ]) {
            Kind::Whole
        } else {
            Kind::Text
        }
    }

    /// Whether its value is secret: it is never shown and not allowed in the file.
    pub fn is_secret(&self) -> bool {
        self.0.is_hide_env_values_set()
    }

    /// Its description: the help of the flag.
    pub fn help(&self) -> String {
        let help = self.0.get_long_help().or(self.0.get_help());
        help.map(ToString::to_string).unwrap_or_default()
    }

    /// The placeholder of the value in the help, such as `FILE`.
    pub fn value_name(&self) -> String {
        let names = self.0.get_value_names().unwrap_or_default();
        names.first().map(ToString::to_string).unwrap_or_default()
    }

    /// Its default; `None` if there is none.
    pub fn default(&self) -> Option<Vec<String>> {
        let values = self.0.get_default_values();
        let text = |value: &clap::builder::OsStr| value.to_string_lossy().into_owned();
        (!values.is_empty()).then(|| values.iter().map(text).collect())
    }

    /// The smallest and largest permitted number.
    pub fn range(&self) -> Option<(i64, i64)> {
        let key = self.key();
        let mut keys = TABLES.iter().flat_map(|table| table.keys);
        keys.find(|found| found.name == key)?.range.first().copied()
    }

    /// The permitted values, if it is an enumeration.
    pub fn choices(&self) -> Vec<String> {
        let values = self.0.get_possible_values();
        values
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect()
    }

    /// The reason why these values are invalid (several for a list); `None` if they are valid.
    pub fn refusal(&self, values: &[String]) -> Option<String> {
        let flag = self.0.get_long().unwrap_or_default();
        let flags = values.iter().map(|value| format!("--{flag}={value}"));
        let command = command_without_environment(|_| false);
        let error = command.try_get_matches_from(flags).err()?;
        if let Some(source) = error.source() {
            let said = source.to_string();
            let value = match error.get(ContextKind::InvalidValue) {
                Some(ContextValue::String(value)) => value.as_str(),
                _ => "",
            };
            return Some(if said.contains(value) {
                said
            } else {
                format!("{value:?}: {said}")
            });
        }
        Some(match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(valid)) if !valid.is_empty() => {
                format!("must be {}", valid.join(" or "))
            }
            _ => "must not be empty".to_owned(),
        })
    }
}

/// The known flag that is most similar to this key, as a key, if there is one; clap finds it.
pub fn nearest(key: &str) -> Option<String> {
    let command = command_without_environment(|_| false);
    let flag = format!("--{}=", key.replace('_', "-"));
    let error = command.try_get_matches_from([flag]).err()?;
    let suggested = match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(flag) => flag.clone(),
        ContextValue::Strings(flags) => flags.first()?.clone(),
        _ => return None,
    };
    let flag = suggested.split([' ', '=', '[']).next()?;
    Some(flag.trim_start_matches('-').replace('-', "_"))
}

/// The command with other defaults for one argument.
pub fn with_default(command: Command, id: &str, values: &[String]) -> Command {
    let values = values.to_vec();
    command.mut_arg(id, |argument| argument.default_values(values))
}
