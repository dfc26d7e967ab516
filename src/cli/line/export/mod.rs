//! `clip-in line export`: what people said about inspected parts becomes edit pairs, to train a model with.
//!
//! ```text
//! corrections → texts (what is said) → selection (which pairs, which split) → table (images, Parquet) → audit
//! ```

mod corrections;
mod selection;
mod split;
mod summary;
mod table;
mod texts;

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Parser as _};
use serde::Deserialize;

use self::corrections::Corrections;
use self::selection::{Selection, select};
use self::split::Split;
use self::summary::Summary;
use self::texts::Texts;
use super::Named;
use crate::cli::audit::{self, AuditArguments};
use crate::deliveries::Pseudonyms;
use crate::lines::Statement;
use crate::whole_file;

#[derive(Debug, Args)]
#[command(
    after_help = "DIR gets train.parquet, validation.parquet and test.parquet in UltraEdit's columns, pairs.json with their numbers, and audit.md. \
    The split follows the name of the part (or its images), so that a part stays where it is when more are exported.\n\
    A pair needs a text about the change (the verdict's caption, or the statement of its kind) and one about the good part (the \
    statement's reference_text, or --ok-text). Parts of the random audit and parts that calibrate the line are left out."
)]
pub struct ExportArguments {
    #[command(flatten)]
    line: Named,
    /// Folder of the pairs; files of an earlier export are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What is true of a good part, where no statement says it, such as "an undamaged board"
    #[arg(long, value_name = "TEXT")]
    ok_text: Option<String>,
    /// Replace the reviewers' names by words such as person-1a2b3c4d5e6f7890, made with the key in FILE (16 bytes or more);
    /// the same key gives the same words
    #[arg(long, value_name = "FILE")]
    pseudonym_key_file: Option<PathBuf>,
    /// Folder of the bundle that the audit uses
    #[arg(long, env = "CLIP_IN_MODEL", default_value = "models/demo")]
    model: PathBuf,
    /// Findings of the audit that make the command fail; see `clip-in audit --help`
    #[arg(
        long,
        value_name = "CHECK",
        value_delimiter = ',',
        default_value = "broken"
    )]
    fail_on: Vec<String>,
}

impl ExportArguments {
    fn pseudonyms(&self) -> anyhow::Result<Option<Pseudonyms>> {
        let file = self.pseudonym_key_file.as_deref();
        file.map(|file| Pseudonyms::with_key_file("--pseudonym-key-file", file))
            .transpose()
            .map_err(|reason| anyhow!(reason))
    }
}

/// What the command needs of a line.
#[derive(Debug, Deserialize)]
struct Described {
    statements: Vec<Statement>,
}

/// Runs the command.
///
/// # Errors
/// What the server refused, a file that cannot be written, no pair at all, and findings of the audit.
pub fn run(arguments: &ExportArguments) -> anyhow::Result<()> {
    let line = &arguments.line;
    let pseudonyms = arguments.pseudonyms()?;
    let described: Described = serde_json::from_value(line.ask("GET", "", None)?)?;
    let texts = Texts {
        statements: &described.statements,
        ok_text: arguments.ok_text.as_deref(),
    };
    let corrections = Corrections::of(line);
    let mut all = corrections.all()?;
    if let Some(pseudonyms) = pseudonyms {
        for correction in &mut all {
            correction.verdict.who = pseudonyms.of(&correction.verdict.who);
        }
    }
    let selected = select(all, &texts);
    if selected.pairs.is_empty() {
        bail!("no pair: {}", summary::why_not(&selected.left_out));
    }
    let out = &arguments.out;
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let summary_file = out.join("pairs.json");
    // It is there only while it describes the files beside it.
    if summary_file.exists() {
        std::fs::remove_file(&summary_file)
            .with_context(|| format!("cannot replace {}", summary_file.display()))?;
    }
    let mut summary = Summary::new(&line.name, &selected);
    for split in Split::ALL {
        let file = out.join(split.file());
        let gone = table::write(&file, split, &selected, &corrections, &line.name)?;
        summary.written(split, &selected, &file, &gone)?;
    }
    let text = serde_json::to_string_pretty(&summary)?;
    whole_file::replace(&summary_file, |mut file| {
        std::io::Write::write_all(&mut file, text.as_bytes())
    })
    .with_context(|| format!("cannot write {}", summary_file.display()))?;
    print_line!("{text}")?;
    check(arguments)
}

/// The audit with its usual thresholds.
#[derive(Debug, clap::Parser)]
struct Audited {
    #[command(flatten)]
    audit: AuditArguments,
}

/// Audits the pairs. References are in all three files, so that the files are not checked against each other here:
/// [`select`] keeps images of parts in one of them.
fn check(arguments: &ExportArguments) -> anyhow::Result<()> {
    let out = &arguments.out;
    let written = Split::ALL.iter().map(|split| out.join(split.file()));
    let data = written.filter(|file| file.exists());
    let path = |path: PathBuf| path.into_os_string();
    let mut words = vec!["audit".into()];
    words.extend(data.map(path));
    let options = [
        ("--model", arguments.model.clone()),
        ("--markdown", out.join("audit.md")),
        ("--fail-on", arguments.fail_on.join(",").into()),
    ];
    for (name, value) in options {
        words.push(name.into());
        words.push(path(value));
    }
    let audited = Audited::try_parse_from(words)?;
    let report = audit::audit(&audited.audit);
    let report = report.context("the pairs are written, but could not be audited")?;
    let failed = report.gate.iter().filter(|verdict| !verdict.passed);
    let failed: Vec<_> = failed
        .map(|verdict| format!("{}: {}", verdict.check.name(), verdict.reason))
        .collect();
    if !failed.is_empty() {
        let report = out.join("audit.md");
        bail!(
            "the audit failed: {}; see {}",
            failed.join("; "),
            report.display()
        );
    }
    Ok(())
}

impl Selection {
    /// The pairs of a split.
    fn of(&self, split: Split) -> impl Iterator<Item = &selection::Pair> {
        self.pairs.iter().filter(move |pair| pair.split == split)
    }
}
