//! Comparisons as text.

use super::comparison::{Compared, Comparison};
use crate::eval::table::listed;

/// Comparisons as text, with the verdict on each candidate.
pub fn table(comparisons: &[Comparison], margin: f64) -> String {
    use std::fmt::Write;

    let mut text = String::new();
    for comparison in comparisons {
        text.push_str(&metrics_table(&comparison.benchmarks));
        let verdict = if comparison.fell {
            "fell by more than"
        } else {
            "did not fall by more than"
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}: what is protected (*) {verdict} {margin} points",
            comparison.candidate
        );
    }
    text
}

/// The metrics of benchmarks as text.
pub fn metrics_table(benchmarks: &[Compared]) -> String {
    use std::fmt::Write;

    let mut text = String::new();
    for one in benchmarks {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}{}: {} → {}; {} items paired{}{}",
            one.benchmark,
            listed(&one.options),
            one.baseline,
            one.candidate,
            one.paired,
            match one.unpaired {
                0 => String::new(),
                n => format!(", {n} in one result only"),
            },
            if one.protected { "" } else { "; not protected" },
        );
        let width = one
            .metrics
            .keys()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or(0)
            .max(6);
        let _ = writeln!(
            text,
            "{:width$}  before   after  points  95 % interval          p  test",
            "metric"
        );
        let mut metrics: Vec<_> = one.metrics.iter().collect();
        metrics.sort_by_key(|(name, metric)| (name.contains('/'), !metric.headline));
        for (name, m) in metrics {
            let mark = match (m.fell, m.headline) {
                (true, _) => "  * FELL",
                (false, true) => "  *",
                (false, false) => "",
            };
            let _ = writeln!(
                text,
                "{name:width$}  {:>6.2}  {:>6.2}  {:>+6.2}  {:>+6.2} .. {:>+6.2}  {:>7.4}  {}{mark}",
                m.baseline, m.candidate, m.difference, m.low, m.high, m.p, m.test
            );
        }
        text.push('\n');
    }
    text
}
