//! The report as text.

mod page;

use std::collections::BTreeMap;

use self::page::Page;
pub use self::page::Style;
use super::findings::{Check, Example, Finding};
use super::lengths::{Lengths, bin_name};
use super::report::{Part, Report};
use super::spread::Spread;
use super::swaps::ClassChanges;

/// Number of words that the report lists for each class.
const WORDS_LISTED: usize = 10;

/// The report as text, with up to `examples` examples of each finding.
pub fn render(report: &Report, style: Style, examples: usize) -> String {
    let text = String::new();
    let mut page = Page { style, text };
    let (model, data) = (&report.model, &report.data);
    page.heading("Audit");
    page.line(&format!(
        "{}: {} records, {} images, {} captions, seen by {} ({})",
        data.inputs.join(", "),
        data.records,
        data.images,
        data.captions,
        model.name,
        model.precision
    ));
    if let Some(against) = &report.against {
        page.line(&format!(
            "compared with {}: {} records, {} images, {} captions",
            against.inputs.join(", "),
            against.records,
            against.images,
            against.captions
        ));
    }
    page.findings(report, examples);
    page.coverage(data);
    page.lengths(data, model.context_length);
    page.similarity(report);
    page.balance(data, examples);
    page.gate(report);
    page.text
}

impl Page {
    fn findings(&mut self, report: &Report, examples: usize) {
        self.heading("Findings");
        let of = |check: &Check| Some((*check, report.findings.get(check.name())?));
        let found: Vec<_> = Check::ALL.iter().filter_map(of).collect();
        let rows: Vec<_> = found
            .iter()
            .map(|(check, found)| {
                vec![
                    check.name().to_owned(),
                    found.count.to_string(),
                    format!("of {} {}", found.of, check.unit()),
                    percent(found.share),
                    kinds(found),
                ]
            })
            .collect();
        self.table(&["check", "found", "", "share", "kinds"], &rows);
        for (check, found) in found {
            if found.count > 0 && examples > 0 {
                self.heading(check.name());
                let rows: Vec<_> = found.examples.iter().take(examples).map(example).collect();
                self.table(&["where", "and", "value", "what"], &rows);
            }
        }
    }

    fn coverage(&mut self, data: &Part) {
        let Some(coverage) = &data.coverage else {
            return;
        };
        self.heading("Edits");
        let shares = |counts: &BTreeMap<String, u64>| {
            let total: u64 = counts.values().sum();
            let mut counts: Vec<_> = counts.iter().collect();
            counts.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
            let row = |(name, count): &(&String, &u64)| {
                let share = **count as f64 / total.max(1) as f64;
                vec![(*name).clone(), count.to_string(), percent(share)]
            };
            counts.iter().take(20).map(row).collect::<Vec<_>>()
        };
        self.table(
            &["category", "pairs", "share"],
            &shares(&coverage.by_category),
        );
        self.table(
            &["by the words that change", "pairs", "share"],
            &shares(&coverage.by_rule),
        );
        self.word_classes(&coverage.by_word_class);
        let line = format!(
            "The second table is a rule of thumb; it could not place {} of the changed captions.",
            percent(coverage.not_placed)
        );
        self.line(&line);
    }

    fn word_classes(&mut self, classes: &BTreeMap<&'static str, ClassChanges>) {
        let rows: Vec<_> = classes
            .iter()
            .map(|(class, changes)| {
                let swaps = changes.most_frequent.iter();
                let swaps: Vec<_> = swaps.map(|(swap, n)| format!("{swap} {n}")).collect();
                let never = &changes.never_swapped;
                let listed: Vec<&str> = never
                    .iter()
                    .take(WORDS_LISTED)
                    .map(String::as_str)
                    .collect();
                let mut words = listed.join(", ");
                if never.len() > listed.len() {
                    words += &format!(" and {} more", never.len() - listed.len());
                }
                vec![
                    (*class).to_owned(),
                    changes.swapped.to_string(),
                    changes.one_sided.to_string(),
                    swaps.join(", "),
                    words,
                ]
            })
            .collect();
        let head = [
            "words of",
            "x ↔ y",
            "none ↔ x",
            "most often",
            "stated and never swapped",
        ];
        self.table(&head, &rows);
    }

    fn lengths(&mut self, data: &Part, context: usize) {
        let (short, long) = (&data.caption_tokens.short, &data.caption_tokens.long);
        if short.captions + long.captions == 0 {
            return;
        }
        self.heading("Caption lengths");
        let rows: Vec<_> = (0..short.bins.len())
            .filter_map(|bin| {
                let (a, b) = (short.bins.get(bin)?, long.bins.get(bin)?);
                (a + b > 0).then(|| vec![bin_name(bin), a.to_string(), b.to_string()])
            })
            .collect();
        self.table(&["tokens", "short", "long"], &rows);
        let cut =
            |name: &str, it: &Lengths| format!("{} of {} {name} captions", it.cut, it.captions);
        let line = format!(
            "The context of {context} tokens cuts {} and {}; the longest have {} and {} tokens.",
            cut("short", short),
            cut("long", long),
            short.longest,
            long.longest
        );
        self.line(&line);
    }

    fn similarity(&mut self, report: &Report) {
        let spreads = [
            ("images of one pair", &report.data.pair_similarity),
            (
                "nearest image of another record",
                &report.data.nearest_other,
            ),
            (
                "swapped less right captions (sum of a pair)",
                &report.data.swap_margin,
            ),
        ];
        let against = report.against.as_ref();
        let against =
            against.map(|part| ("--against: nearest training image", &part.nearest_other));
        let rows: Vec<_> = spreads
            .into_iter()
            .chain(against)
            .filter_map(|(name, spread)| Some(spread_row(name, spread.as_ref()?)))
            .collect();
        if !rows.is_empty() {
            self.heading("Cosines");
            self.table(&["", "min", "5 %", "median", "95 %", "99 %", "max"], &rows);
        }
    }

    fn balance(&mut self, data: &Part, examples: usize) {
        self.heading("Balance");
        let sizes = &data.sizes;
        let most: Vec<_> = sizes
            .most_frequent
            .iter()
            .take(3)
            .map(|it| format!("{}x{} ({})", it.width, it.height, it.count))
            .collect();
        self.line(&format!(
            "{} image sizes: {}; {} images are smaller than the model's input; {} pairs differ in size.",
            sizes.different,
            most.join(", "),
            sizes.smaller_than_input,
            data.resized_pairs
        ));
        let aspects: Vec<_> = sizes
            .aspects
            .iter()
            .map(|(name, count)| {
                let name = name.split_once(": ").map_or(*name, |(_, name)| name);
                format!("{name} {count}")
            })
            .collect();
        self.line(&format!("Aspect: {}.", aspects.join(", ")));
        if !data.frequent_captions.is_empty() && examples > 0 {
            let rows: Vec<_> = data
                .frequent_captions
                .iter()
                .take(examples)
                .map(|it| vec![it.count.to_string(), it.caption.clone()])
                .collect();
            self.table(&["times", "most frequent captions"], &rows);
        }
        if !data.quality.is_empty() {
            let number = |value: f64| format!("{value:.3}");
            let rows: Vec<_> = data
                .quality
                .iter()
                .map(|it| {
                    vec![
                        it.column.to_owned(),
                        number(it.min),
                        number(it.mean),
                        number(it.max),
                        format!("{} of {} below {}", it.below, it.values, it.at_least),
                    ]
                })
                .collect();
            self.table(
                &["quality", "min", "mean", "max", "UltraEdit's filter"],
                &rows,
            );
        }
    }

    fn gate(&mut self, report: &Report) {
        if report.gate.is_empty() {
            return;
        }
        self.heading("Gate");
        let rows: Vec<_> = report
            .gate
            .iter()
            .map(|it| {
                let word = if it.passed { "passed" } else { "FAILED" };
                vec![
                    it.check.name().to_owned(),
                    word.to_owned(),
                    it.reason.clone(),
                ]
            })
            .collect();
        self.table(&["check", "", ""], &rows);
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn kinds(found: &Finding) -> String {
    let kinds = found
        .kinds
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"));
    kinds.collect::<Vec<_>>().join(", ")
}

fn example(example: &Example) -> Vec<String> {
    let value = example.value.map(|value| format!("{value:.4}"));
    let note = match (&*example.note, example.kind) {
        ("", kind) => kind.unwrap_or_default().to_owned(),
        (note, _) => note.to_owned(),
    };
    vec![
        example.at.clone(),
        example.other.clone().unwrap_or_default(),
        value.unwrap_or_default(),
        note,
    ]
}

fn spread_row(name: &str, spread: &Spread) -> Vec<String> {
    let Spread {
        min,
        p05,
        p50,
        p95,
        p99,
        max,
        ..
    } = *spread;
    let values = [min, p05, p50, p95, p99, max].map(|value| format!("{value:.3}"));
    std::iter::once(name.to_owned()).chain(values).collect()
}
