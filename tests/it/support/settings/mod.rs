//! Settings files, and the program without settings from the environment of the tests.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use tempfile::NamedTempFile;

use super::server::program;

/// The program, without settings from the environment of the tests.
pub fn clean(arguments: &[&str]) -> Command {
    let mut command = program();
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CLIP_IN_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// Exit status, standard output, standard error.
pub fn run(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

pub fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

pub fn name(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

pub fn defaults() -> String {
    let (status, printed, said) = run(&mut clean(&["config", "print", "--defaults"]));
    assert_eq!(status, 0, "{said}");
    printed
}

/// Key → its line in `config print`.
pub fn effective(command: &mut Command) -> BTreeMap<String, String> {
    let (status, printed, said) = run(command);
    assert_eq!(status, 0, "{said}");
    let lines = printed.lines().filter_map(|line| {
        let line = line.strip_prefix('#').unwrap_or(line);
        line.split_once(" = ").or_else(|| line.split_once(": "))
    });
    lines
        .filter(|(key, _)| !key.contains(' '))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
