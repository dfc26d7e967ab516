//! `clip-in embed` with the demo model, as a user calls it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::embed_output::rows;
use super::server::{demo, fixture, program};

pub fn embed(arguments: &[&str], out: &Path) -> Output {
    command(arguments, out).output().unwrap()
}

pub fn command(arguments: &[&str], out: &Path) -> Command {
    let mut command = program();
    command.arg("embed").arg("--model").arg(demo());
    command.args(arguments).arg("--out").arg(out);
    command
}

pub fn done(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// The embedding of a fixture, computed from a folder of images.
pub fn expected(names: &[&str]) -> Vec<Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    fs::create_dir(&images).unwrap();
    for (i, name) in names.iter().enumerate() {
        fs::write(images.join(format!("{i:03}")), fixture(name)).unwrap();
    }
    let out = folder.path().join("out.parquet");
    done(&embed(&["--images", &images.display().to_string()], &out));
    rows(&out).into_iter().map(|row| row.2).collect()
}
