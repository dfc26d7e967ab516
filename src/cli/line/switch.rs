//! `clip-in line rescore|add-references|promote|rollback`, and `clip-in model history`: what decides on a line.

use clap::Args;
use serde_json::{Value, json};

use super::{Named, print};

/// Parts that are scored in one request.
const AT_A_TIME: u64 = 16;

#[derive(Debug, Args)]
pub struct RescoreArguments {
    #[command(flatten)]
    line: Named,
    /// A model that the server has loaded [default: the line's own]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

#[derive(Debug, Args)]
pub struct AddReferencesArguments {
    #[command(flatten)]
    line: Named,
    /// Inspection that a person found OK; may be repeated, up to 16 times
    #[arg(long = "inspection", value_name = "ID", required = true)]
    inspections: Vec<String>,
    /// Do it even if a promise that holds now would not hold any more
    #[arg(long)]
    accept_weaker: bool,
}

#[derive(Debug, Args)]
pub struct PromoteArguments {
    #[command(flatten)]
    line: Named,
    /// A model that the server has loaded, and that has scored the labelled parts
    #[arg(long, value_name = "NAME")]
    model: String,
    /// Promote even if a promise that holds now would not hold any more
    #[arg(long)]
    accept_weaker: bool,
}

/// Scores all labelled parts that the model has not scored. Started again after an interruption, it goes on.
pub fn rescore(arguments: &RescoreArguments) -> anyhow::Result<()> {
    let mut done = 0;
    loop {
        let body = json!({"model": arguments.model, "limit": AT_A_TIME});
        let answer = arguments.line.ask("POST", "/rescore", Some(&body))?;
        let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
        done += number("scored");
        let left = number("left");
        message!("{done} parts scored, {left} left");
        if left == 0 {
            let without = number("without_images");
            if without > 0 {
                message!(
                    "{without} parts have no stored images: send them again with `clip-in line calibrate`"
                );
            }
            return print(&answer);
        }
        wait_for_others(number("scored"));
    }
}

/// Makes parts references of the line, when all labelled parts are scored with them. Started again after an interruption, it
/// goes on.
pub fn add_references(arguments: &AddReferencesArguments) -> anyhow::Result<()> {
    let body = json!({
        "inspections": arguments.inspections,
        "limit": AT_A_TIME,
        "accept_weaker": arguments.accept_weaker,
    });
    let mut done = 0;
    loop {
        let answer = arguments.line.ask("POST", "/references", Some(&body))?;
        let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
        done += number("scored");
        message!("{done} parts scored, {} left", number("left"));
        if number("left") == 0 {
            say_promises(&answer);
            return print(&answer);
        }
        wait_for_others(number("scored"));
    }
}

/// Another process may score the same parts: then this one has less to do, but never nothing twice.
fn wait_for_others(scored: u64) {
    if scored == 0 {
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}

/// Makes another model the one that decides. One that decides already is no error: the command may have been interrupted after
/// the server had done it.
pub fn promote(arguments: &PromoteArguments) -> anyhow::Result<()> {
    let line = arguments.line.ask("GET", "", None)?;
    if line.get("model").and_then(Value::as_str) == Some(&arguments.model) {
        message!("{} decides already", arguments.model);
        say_promises(&line);
        return print(&line);
    }
    let body = json!({"model": arguments.model, "accept_weaker": arguments.accept_weaker});
    switched(&arguments.line, "/promotion", &body)
}

/// Makes the model of before the one that decides.
pub fn roll_back(line: &Named) -> anyhow::Result<()> {
    switched(line, "/rollback", &json!({}))
}

fn switched(line: &Named, path: &str, body: &Value) -> anyhow::Result<()> {
    let answer = line.ask("POST", path, Some(body))?;
    let text = |place: &str| answer.pointer(place).and_then(Value::as_str);
    let text = |place: &str| text(place).unwrap_or_default().to_owned();
    message!("{} → {}", text("/from"), text("/model"));
    say_promises(&answer);
    print(&answer)
}

fn say_promises(answer: &Value) {
    for promise in ["escape", "overkill"] {
        let text = answer.pointer(&format!("/calibration/{promise}/text"));
        let text = text.and_then(Value::as_str).unwrap_or_default();
        message!("{promise}: {text}");
    }
}

/// Prints which model has decided when.
pub fn history(line: &Named) -> anyhow::Result<()> {
    let answer = line.ask("GET", "/history", None)?;
    let versions = answer.get("data").and_then(Value::as_array);
    for version in versions.into_iter().flatten() {
        let text = |place: &str| version.pointer(place).and_then(Value::as_str);
        let created = version.get("created").and_then(Value::as_i64);
        print_line!(
            "version {}, {}: {}; {}",
            version.get("version").unwrap_or(&Value::Null),
            created.map_or_else(String::new, date),
            text("/model").unwrap_or("a model that is not loaded"),
            match (
                text("/calibration/escape/text"),
                text("/calibration/overkill/text")
            ) {
                (Some(escape), Some(overkill)) => format!("escape {escape}; overkill {overkill}"),
                _ => "not calibrated".to_owned(),
            }
        )?;
    }
    Ok(())
}

/// A time in UTC.
fn date(milliseconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(milliseconds);
    time.map_or_else(String::new, |time| {
        time.format("%Y-%m-%dT%H:%MZ").to_string()
    })
}
