//! A report as a table of text.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Report;
use super::anomaly::CategoryResult;
use super::report::Metric;

/// Number of broken things in the table; the JSON has all of them.
const LISTED: usize = 20;

/// The report as text: metrics with intervals (overall first, then by group), lengths, and broken data.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, report);
    text
}

fn write(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        text,
        "{}{}: {} ({}), data {}",
        report.benchmark,
        listed(&report.options),
        report.model.name,
        report.model.precision,
        report.data_fingerprint.get(..16).unwrap_or_default(),
    )?;
    writeln!(
        text,
        "{} of {} records scored; {} images, {} texts, of which {} lost tokens to the context of {}",
        report.scored,
        report.records,
        report.images,
        report.texts,
        report.truncated_texts,
        report.model.context_length,
    )?;
    let mut metrics: Vec<_> = report.metrics.iter().collect();
    // Overall values before groups, headline metrics first.
    metrics.sort_by_key(|(name, metric)| (name.contains('/'), !metric.headline));
    let width = metrics.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or(0).max(6);
    writeln!(
        text,
        "\n{:width$}  percent  95 % interval       n",
        "metric"
    )?;
    for (name, metric) in metrics {
        let Metric {
            value,
            low,
            high,
            n,
            headline,
            ..
        } = metric;
        let mark = if *headline { " *" } else { "" };
        writeln!(
            text,
            "{name:width$}  {value:>7.2}  {low:>6.2} .. {high:>6.2}  {n:>6}{mark}"
        )?;
    }
    writeln!(text, "* headline metric of `clip-in eval compare`")?;
    if !report.lengths.is_empty() {
        lengths(text, report)?;
    }
    if !report.anomaly.is_empty() {
        categories(text, &report.anomaly)?;
    }
    if !report.broken.is_empty() {
        writeln!(
            text,
            "\nbroken: {} ({:.2} % of the records cannot be scored completely)",
            report.broken.len(),
            report.broken_percent()
        )?;
        for broken in report.broken.iter().take(LISTED) {
            writeln!(text, "  {}: {}", broken.place, broken.reason)?;
        }
        if report.broken.len() > LISTED {
            writeln!(
                text,
                "  … and {} more: see --json",
                report.broken.len() - LISTED
            )?;
        }
    }
    Ok(())
}

fn lengths(text: &mut String, report: &Report) -> std::fmt::Result {
    let names: Vec<&String> = report
        .metrics
        .iter()
        .filter(|(_, metric)| metric.headline)
        .map(|(name, _)| name)
        .collect();
    write!(text, "\ntokens  texts cut  ms per text")?;
    for name in &names {
        write!(text, "  {name:>22}")?;
    }
    writeln!(text)?;
    for row in &report.lengths {
        write!(text, "{:>6}", row.tokens)?;
        if row.beyond_context {
            let context = report.model.context_length;
            writeln!(text, "  beyond the model's context of {context} tokens")?;
            continue;
        }
        write!(text, "  {:>9}", row.cut_texts)?;
        match row.milliseconds_per_text {
            Some(milliseconds) => write!(text, "  {milliseconds:>9.2}")?,
            None => write!(text, "  {:>9}", "-")?,
        }
        for name in &names {
            let cell = row.metrics.get(*name).map_or_else(
                || "-".to_owned(),
                |m| format!("{:.2} ({:.1}..{:.1})", m.value, m.low, m.high),
            );
            write!(text, "  {cell:>22}")?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// The measures of each category, as means over the seeds.
fn categories(text: &mut String, results: &[CategoryResult]) -> std::fmt::Result {
    let width = results.iter().map(|one| one.category.chars().count()).max();
    let width = width.unwrap_or(0).max(8);
    writeln!(
        text,
        "\n{:width$}  references  seeds  AUROC  of parts    PG2    PB2  F1-max  F1 shipped  AU-PRO     ms",
        "category"
    )?;
    let mut seen = Vec::new();
    for one in results {
        let choice = (&one.category, one.shots);
        if seen.contains(&choice) {
            continue;
        }
        seen.push(choice);
        let of = |number: &dyn Fn(&CategoryResult) -> Option<f64>| {
            let same = results
                .iter()
                .filter(|it| (&it.category, it.shots) == choice);
            let numbers: Option<Vec<f64>> = same.map(number).collect();
            numbers.map(|numbers| numbers.iter().sum::<f64>() / numbers.len() as f64)
        };
        let share = |number: &dyn Fn(&CategoryResult) -> Option<f64>| {
            of(number).map_or_else(|| "-".to_owned(), |share| format!("{share:.3}"))
        };
        let seeds = results
            .iter()
            .filter(|it| (&it.category, it.shots) == choice);
        writeln!(
            text,
            "{:width$}  {:>10}  {:>5}  {:>5}  {:>8}  {:>5}  {:>5}  {:>6}  {:>10}  {:>6}  {:>5.0}",
            one.category,
            one.shots,
            seeds.count(),
            share(&|it| it.auroc),
            share(&|it| it.auroc_of_parts),
            share(&|it| it.pg2),
            share(&|it| it.pb2),
            share(&|it| it.f1_max),
            share(&|it| Some(it.f1_shipped)),
            share(&|it| it.au_pro),
            of(&|it| Some(it.milliseconds)).unwrap_or_default(),
        )?;
    }
    Ok(())
}

/// Options as text; empty if there are none.
pub(super) fn listed(options: &BTreeMap<String, String>) -> String {
    let all: Vec<_> = options.iter().map(|(k, v)| format!("{k} {v:?}")).collect();
    if all.is_empty() {
        String::new()
    } else {
        format!(" [{}]", all.join(", "))
    }
}
