//! Every setting of the server, once: default < file < environment < flag; typed, and checked before anything starts.
//!
//! [`ServeSettings`] is the one place that says what can be set. Its clap arguments give the flags; a flag's name gives the
//! key in the file and the name in the environment ([`Setting`]); [`SettingsFile`] hands a file's values to the same arguments
//! as their defaults, so that one parser judges all four.

mod derived;
mod file;
mod print;
mod problem;
mod reference;
mod secret;
mod setting;
mod settings;
mod tables;

pub use file::SettingsFile;
pub use print::{defaults, effective};
pub use problem::{Problem, Problems};
pub use reference::reference;
pub use secret::Secret;
pub use setting::{Setting, all, command};
pub use settings::ServeSettings;
