//! Every setting of the server, once: default < file < environment < flag; typed, and checked before anything starts.
//!
//! The table in `settings` is the one place that says what can be set. Its rows give the flags, the names in the environment,
//! the tables and keys of the file, the ranges and the printed reference. [`SettingsFile`] hands a file's values to the same
//! arguments as their defaults, so that one parser judges all four. What the server's parts make of the settings is in
//! `server`; this module knows only the values' own types (`Alpha`, `Device`, `LogFormat`).

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
