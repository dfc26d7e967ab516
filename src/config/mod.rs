//! Every setting of the server: default < file < environment < flag; typed, and checked before anything starts.
//!
//! The table in `settings` is the only list of settings. The flags, the names in the environment, the tables and keys of the
//! file, the ranges and the printed reference are built from it. [`SettingsFile`] passes a file's values to the same
//! arguments as defaults, so one parser checks all four sources. `server` converts the settings to those of its parts; this
//! module knows only the types of the values (`Alpha`, `Device`, `LogFormat`).

mod alias;
mod file;
mod print;
mod problem;
mod reference;
mod secret;
mod setting;
mod settings;
mod tables;

pub use alias::Alias;
pub use file::SettingsFile;
pub use print::{defaults, effective};
pub use problem::{Problem, Problems};
pub use reference::reference;
pub use secret::Secret;
pub use setting::{Setting, all, command};
pub use settings::ServeSettings;
