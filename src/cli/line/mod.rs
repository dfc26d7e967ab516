//! `clip-in line`: creates, calibrates and uses an inspection line of a running server, from folders of images.

mod export;
mod switch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use self::export::ExportArguments;
pub use self::switch::history;
use self::switch::{AddReferencesArguments, PromoteArguments, RescoreArguments};
use super::image_arguments::resolution;
use super::line_server::{Answered, LineServer, Refusal, agent};
use crate::dataset::files::{images_in, shown_entries};
use crate::lines::Store;

/// Parts in one request: few, because they are compared one after the other, within the time of a request, however busy the
/// machine is.
const AT_A_TIME: usize = 4;

/// Longest time of a request.
const TIME: Duration = Duration::from_secs(600);

#[derive(Debug, Subcommand)]
pub enum LineCommand {
    /// Create a line from images of good parts, or change it
    Create(CreateArguments),
    /// Send labelled parts, calibrate, and say what holds
    Calibrate(CalibrateArguments),
    /// Print the line and the report of its last calibration
    Report(Named),
    /// Inspect parts: one line of JSON for each image
    Inspect(InspectArguments),
    /// Turn what people said about parts into edit pairs, to train a model with
    Export(Box<ExportArguments>),
    /// Have another model score the labelled parts, before it is promoted
    Rescore(RescoreArguments),
    /// Make parts that people found OK references of the line, and calibrate it again
    AddReferences(AddReferencesArguments),
    /// Make another model the one that decides
    Promote(PromoteArguments),
    /// Make the model of before the one that decides
    Rollback(Named),
}

/// A line of a server.
#[derive(Debug, Args)]
pub struct Named {
    /// Name of the line
    name: String,
    #[command(flatten)]
    server: LineServer,
}

#[derive(Debug, Args)]
pub struct CreateArguments {
    #[command(flatten)]
    line: Named,
    /// Folder with images of good parts; 4 to 20 are enough
    #[arg(long, value_name = "DIR")]
    references: PathBuf,
    /// Side of a square, in pixels: parts are compared with as many pixels as it has [default: the model's, mostly 448]. Small
    /// defects need more; fewer take less time
    #[arg(long, value_name = "PIXELS", value_parser = resolution())]
    resolution: Option<u32>,
    /// Highest share of NG parts that may be decided OK
    #[arg(long, default_value_t = 0.02)]
    escape: f64,
    /// Highest share of OK parts that may be decided NG
    #[arg(long, default_value_t = 0.02)]
    overkill: f64,
    /// Probability that a calibration breaks one of the two
    #[arg(long, default_value_t = 0.05)]
    delta: f64,
    /// Share of NG parts among all, as far as it is known
    #[arg(long)]
    defect_rate: Option<f64>,
    /// What may be wrong with a part, such as "a deep scratch"; may be repeated. Inspections rank the texts
    #[arg(long = "statement", value_name = "TEXT")]
    statements: Vec<String>,
    /// Days that images of inspections are kept [default: for ever]
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<u32>,
    /// When inspections are stored: before they are answered, or, while the database is away, in files that wait for it
    #[arg(long, value_enum, default_value_t)]
    store: Storing,
}

/// See [`crate::lines::Store`].
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Storing {
    #[default]
    Before,
    Queued,
}

#[derive(Debug, Args)]
pub struct CalibrateArguments {
    #[command(flatten)]
    line: Named,
    /// Folder of OK parts: a folder in it for each lot, with an image for each part
    #[arg(long, value_name = "DIR")]
    ok: PathBuf,
    /// Folder of NG parts, likewise
    #[arg(long, value_name = "DIR")]
    ng: PathBuf,
    /// Which parts these are, and that they were labelled as they came, such as "all of lots 12 to 40"
    #[arg(long, value_name = "TEXT")]
    declared: String,
}

#[derive(Debug, Args)]
pub struct InspectArguments {
    #[command(flatten)]
    line: Named,
    /// Image files
    #[arg(required = true, value_name = "FILE")]
    images: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// What the server refused, or a file that cannot be read.
pub fn run(command: &LineCommand) -> anyhow::Result<()> {
    match command {
        LineCommand::Create(arguments) => create(arguments),
        LineCommand::Calibrate(arguments) => calibrate(arguments),
        LineCommand::Report(line) => print(&line.ask("GET", "", None)?),
        LineCommand::Inspect(arguments) => inspect(arguments),
        LineCommand::Export(arguments) => export::run(arguments),
        LineCommand::Rescore(arguments) => switch::rescore(arguments),
        LineCommand::AddReferences(arguments) => switch::add_references(arguments),
        LineCommand::Promote(arguments) => switch::promote(arguments),
        LineCommand::Rollback(line) => switch::roll_back(line),
    }
}

fn create(arguments: &CreateArguments) -> anyhow::Result<()> {
    let images = images_in(&arguments.references)?;
    if images.is_empty() {
        bail!("{} has no images", arguments.references.display());
    }
    let images: Vec<_> = images
        .iter()
        .map(|path| read(path))
        .collect::<Result<_, _>>()?;
    let promise = json!({
        "escape": arguments.escape,
        "overkill": arguments.overkill,
        "delta": arguments.delta,
    });
    let statements = arguments
        .statements
        .iter()
        .map(|text| json!({"text": text}));
    let store = match arguments.store {
        Storing::Before => Store::Before,
        Storing::Queued => Store::Queued,
    };
    let body = json!({
        "references": images,
        "resolution": arguments.resolution,
        "promise": promise,
        "defect_rate": arguments.defect_rate,
        "statements": statements.collect::<Vec<_>>(),
        "retention_days": arguments.retention_days,
        "store": store,
    });
    print(&arguments.line.ask("PUT", "", Some(&body))?)
}

fn calibrate(arguments: &CalibrateArguments) -> anyhow::Result<()> {
    let mut parts = Vec::new();
    for (class, folder) in [("ok", &arguments.ok), ("ng", &arguments.ng)] {
        let before = parts.len();
        for (entry, lot) in shown_entries(folder)? {
            if entry.path().is_dir() {
                let images = images_in(&entry.path())?;
                parts.extend(images.into_iter().map(|image| (class, lot.clone(), image)));
            }
        }
        if parts.len() == before {
            bail!(
                "{} has no folder with images: put the parts of each lot into a folder of its own",
                folder.display()
            );
        }
    }
    let all = parts.len();
    for (number, batch) in parts.chunks(AT_A_TIME).enumerate() {
        let batch: Vec<Value> = batch
            .iter()
            .map(|(class, lot, image)| {
                Ok(json!({"lot": lot, "class": class, "images": [read(image)?]}))
            })
            .collect::<anyhow::Result<_>>()?;
        let body = json!({"declared": arguments.declared, "parts": batch, "calibrate": false});
        arguments.line.ask("POST", "/calibrations", Some(&body))?;
        message!(
            "{} of {all} parts",
            (number * AT_A_TIME + batch.len()).min(all)
        );
    }
    let report = arguments
        .line
        .ask("POST", "/calibrations", Some(&json!({})))?;
    for promise in ["escape", "overkill"] {
        let text = report
            .pointer(&format!("/{promise}/text"))
            .and_then(Value::as_str);
        message!("{promise}: {}", text.unwrap_or_default());
    }
    print(&report)
}

fn inspect(arguments: &InspectArguments) -> anyhow::Result<()> {
    for path in &arguments.images {
        let image =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let server = &arguments.line.server;
        let url = server.url(&arguments.line.name, "/inspections")?;
        let request = server.with_key(agent(TIME).post(url.as_str()));
        let answer = request
            .header("content-type", "application/octet-stream")
            .send(&image[..]);
        let answer = answered(answer, server);
        let answer = answer.with_context(|| path.display().to_string())?;
        print_line!("{answer}")?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(STANDARD.encode(bytes))
}

fn print(answer: &Value) -> anyhow::Result<()> {
    print_line!("{}", serde_json::to_string_pretty(answer)?)?;
    Ok(())
}

impl Named {
    /// Reads a URL of the server.
    fn get(&self, url: &url::Url) -> anyhow::Result<Value> {
        let request = self.server.with_key(agent(TIME).get(url.as_str()));
        answered(request.call(), &self.server)
    }

    /// Asks the server about the line.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let url = self.server.url(&self.name, path)?;
        let json = body.map(Value::to_string).unwrap_or_default();
        let agent = agent(TIME);
        let with_key = |request| self.server.with_key(request);
        let answer = match method {
            "GET" => self.server.with_key(agent.get(url.as_str())).call(),
            "PUT" => with_json(with_key(agent.put(url.as_str())), &json),
            _ => with_json(with_key(agent.post(url.as_str())), &json),
        };
        answered(answer, &self.server)
    }
}

fn with_json(request: ureq::RequestBuilder<ureq::typestate::WithBody>, json: &str) -> Answered {
    request
        .header("content-type", "application/json")
        .send(json)
}

/// The answer, or the error that the server gave.
fn answered(answer: Answered, server: &LineServer) -> anyhow::Result<Value> {
    let address = server.address();
    let mut answer = answer.with_context(|| format!("no answer from {address}"))?;
    let text = answer.body_mut().read_to_string()?;
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("{address} answered no JSON"))?;
    if answer.status().is_success() {
        return Ok(value);
    }
    bail!("{}", Refusal::of(&value).unwrap_or_default())
}
