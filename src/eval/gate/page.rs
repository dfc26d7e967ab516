//! The report of a gate as a page.

use std::fmt::{self, Write};

use super::OfSet;
use super::pictures::Shown;
use super::set::Role;
use super::verdict::{GateTerms, Refusal, captions};
use crate::eval::compare::{Compared, Difference};
use crate::eval::markup::escaped;

const STYLE: &str = "\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; background: #fff }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem }
th, td { text-align: right; padding: 0.2rem 0.8rem; border-bottom: 1px solid #ccc }
th:first-child, td:first-child { text-align: left }
.verdict { padding: 0.8rem 1rem; border-left: 0.4rem solid; background: #f3f3f3 }
.passed { border-color: #0a6b3d } .refused { border-color: #a4262c }
.fell { font-weight: bold; color: #a4262c }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); gap: 1rem; padding: 0; list-style: none }
.pairs img { width: 10rem; height: 10rem; object-fit: contain; background: #eee }
.pairs figure { display: inline-block; margin: 0; width: 10rem; vertical-align: top }
.place { color: #555; font-size: 0.85rem; overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) {
  body { color: #eee; background: #181818 } .verdict { background: #262626 } .pairs img { background: #333 }
  .fell { color: #ff8f8f } .place { color: #aaa } th, td { border-color: #444 }
}
";

/// The whole page.
pub fn page(sets: &[OfSet], refusals: &[Refusal], terms: &GateTerms) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut page, sets, refusals, terms);
    page
}

fn write(
    page: &mut String,
    sets: &[OfSet],
    refusals: &[Refusal],
    terms: &GateTerms,
) -> fmt::Result {
    let models = sets.iter().find_map(|set| set.compared.first());
    let (baseline, candidate) = models.map_or(("", ""), |one| (&one.baseline, &one.candidate));
    writeln!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Gate: {0} to {1}</title>\n<style>\n{STYLE}</style>\n<h1>{0} → {1}</h1>",
        escaped(baseline),
        escaped(candidate)
    )?;
    if refusals.is_empty() {
        writeln!(
            page,
            "<p class=\"verdict passed\"><strong>Passed.</strong> The candidate is right on more of the line's test pairs, and what is protected stays.</p>"
        )?;
    } else {
        writeln!(
            page,
            "<div class=\"verdict refused\"><strong>Refused.</strong>\n<ul>"
        )?;
        for refusal in refusals {
            writeln!(
                page,
                "<li>{} ({}): {}</li>",
                escaped(refusal.rule),
                escaped(&refusal.set),
                escaped(&refusal.reason)
            )?;
        }
        writeln!(page, "</ul></div>")?;
    }
    writeln!(
        page,
        "<p>The rules: on the line's pairs, of which there are at least {}, more are right both ways than before. On every set no headline \
         metric (*) is lower by more than {} points (of the line's pairs: where p is below 0.05), and none of a group by more than {} points \
         where p times the number of groups is below 0.05. Intervals are 95 %, over the items that both models scored; p is McNemar's exact test, or paired bootstrap.</p>",
        terms.least_pairs, terms.margin, terms.group_margin
    )?;
    for set in sets {
        let role = match set.role {
            Role::Line => "the line's test pairs",
            Role::Protected => "protected",
        };
        writeln!(page, "<h2>{} ({role})</h2>", escaped(&set.name))?;
        for one in &set.compared {
            table(page, one, terms)?;
        }
        pairs(page, "What got better", &set.shown, true)?;
        pairs(page, "What got worse", &set.shown, false)?;
    }
    writeln!(page, "</html>")
}

fn table(page: &mut String, one: &Compared, terms: &GateTerms) -> fmt::Result {
    writeln!(
        page,
        "<h3>{}{}: {} items</h3>\n<table>\n<tr><th scope=\"col\">metric</th><th scope=\"col\">before</th><th scope=\"col\">after</th>\
         <th scope=\"col\">points</th><th scope=\"col\">95 % interval</th><th scope=\"col\">p</th></tr>",
        escaped(&one.benchmark),
        captions(&one.options),
        one.paired
    )?;
    let mut metrics: Vec<_> = one.metrics.iter().collect();
    metrics.sort_by_key(|(name, metric)| (name.contains('/'), !metric.headline));
    for (name, metric) in metrics {
        let Difference {
            baseline,
            candidate,
            difference,
            low,
            high,
            p,
            headline,
            ..
        } = metric;
        let fell = if *headline && *difference < -terms.margin {
            " class=\"fell\""
        } else {
            ""
        };
        let mark = if *headline { " *" } else { "" };
        writeln!(
            page,
            "<tr{fell}><td>{}{mark}</td><td>{baseline:.1}</td><td>{candidate:.1}</td><td>{difference:+.1}</td>\
             <td>{low:+.1} … {high:+.1}</td><td>{p:.4}</td></tr>",
            escaped(name)
        )?;
    }
    writeln!(page, "</table>")
}

fn pairs(page: &mut String, title: &str, shown: &[Shown], better: bool) -> fmt::Result {
    let mut shown = shown.iter().filter(|pair| pair.better == better).peekable();
    if shown.peek().is_none() {
        return Ok(());
    }
    writeln!(page, "<h3>{title}</h3>\n<ul class=\"pairs\">")?;
    for pair in shown {
        writeln!(page, "<li>")?;
        for (file, caption) in pair.files.iter().zip(&pair.captions) {
            let caption = escaped(caption);
            let file = file.as_ref().map(|file| file.display().to_string());
            let file = escaped(&file.unwrap_or_default());
            writeln!(
                page,
                "<figure><img src=\"{file}\" alt=\"{caption}\" loading=\"lazy\"><figcaption>{caption}</figcaption></figure>"
            )?;
        }
        writeln!(
            page,
            "<div class=\"place\">{}</div></li>",
            escaped(&pair.place)
        )?;
    }
    writeln!(page, "</ul>")
}
