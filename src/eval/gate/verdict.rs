//! Whether a candidate may take the place of the model that a line has.

use std::collections::BTreeMap;

use serde::Serialize;

use super::OfSet;
use super::set::Role;
use crate::eval::compare::{Compared, Difference};

/// What is asked of a candidate.
#[derive(Debug, Clone)]
pub struct GateTerms {
    /// Points by which a headline metric of a protected set may be lower.
    pub margin: f64,
    /// Points by which a metric of one group of a set may be lower. More are a reason to refuse if they are significant, with
    /// the p-value times the number of groups of all sets (Bonferroni): among many groups, some fall by chance.
    pub group_margin: f64,
    /// Pairs that the line's test set has, at least.
    pub least_pairs: usize,
    /// Number of resamples for an interval.
    pub resamples: usize,
    /// Seed of the resampling.
    pub seed: u64,
}

/// A reason to refuse a candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refusal {
    /// The set.
    pub set: String,
    /// `worse`, `group worse`, `not better` or `too few pairs`.
    pub rule: &'static str,
    /// Which number, and what it is.
    pub reason: String,
}

/// p-values below it are significant.
const SIGNIFICANT: f64 = 0.05;

/// The rule of the line's own set: the outcome that its pairs are judged by.
const BETTER_IN: &str = "both_ways";

/// All reasons to refuse the candidate; none: it may be used.
pub fn judge(sets: &[OfSet], terms: &GateTerms) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let groups = sets.iter().flat_map(|set| &set.compared);
    let groups: usize = groups.map(|one| groups_of(one).count()).sum();
    for set in sets {
        let mut refuse = |rule, reason| {
            refusals.push(Refusal {
                set: set.name.clone(),
                rule,
                reason,
            });
        };
        for one in &set.compared {
            for (name, metric) in one.metrics.iter().filter(|(_, metric)| metric.headline) {
                // The line's pairs are few. What they are for is asked below; another number of them must fall visibly.
                let visible = set.role == Role::Protected || metric.p < SIGNIFICANT;
                if metric.difference < -terms.margin && visible {
                    refuse("worse", fell(one, name, metric));
                }
            }
            for (name, metric) in groups_of(one) {
                let significant = metric.p * (groups as f64) < SIGNIFICANT;
                if metric.difference < -terms.group_margin && significant {
                    refuse("group worse", fell(one, name, metric));
                }
            }
        }
        if set.role == Role::Line {
            match set.compared.iter().find(|one| one.benchmark == "pairs") {
                Some(pairs) => line(pairs, terms, &mut refuse),
                None => refuse("too few pairs", "the set has no pairs".to_owned()),
            }
        }
    }
    refusals
}

/// The headline metrics of groups.
fn groups_of(one: &Compared) -> impl Iterator<Item = (&String, &Difference)> {
    let headline = |name: &str| one.metrics.get(name).is_some_and(|metric| metric.headline);
    let of_group = move |(name, _): &(&String, &Difference)| {
        name.split_once('/')
            .is_some_and(|(metric, _)| headline(metric))
    };
    one.metrics.iter().filter(of_group)
}

fn line(pairs: &Compared, terms: &GateTerms, refuse: &mut impl FnMut(&'static str, String)) {
    if pairs.paired < terms.least_pairs {
        let reason = format!(
            "{} pairs cannot tell: {} are needed (--least-pairs)",
            pairs.paired, terms.least_pairs
        );
        refuse("too few pairs", reason);
    }
    match pairs.metrics.get(BETTER_IN) {
        Some(metric) if metric.difference > 0.0 => {}
        Some(metric) => {
            let reason = format!(
                "pairs {BETTER_IN}: {:.1} → {:.1} %: the candidate is right on no more of the line's pairs",
                metric.baseline, metric.candidate
            );
            refuse("not better", reason);
        }
        None => refuse("not better", format!("there is no result of {BETTER_IN}")),
    }
}

fn fell(one: &Compared, name: &str, metric: &Difference) -> String {
    format!(
        "{} {name}{}: {:.1} → {:.1} %, {:+.1} points ({:+.1} to {:+.1})",
        one.benchmark,
        captions(&one.options),
        metric.baseline,
        metric.candidate,
        metric.difference,
        metric.low,
        metric.high
    )
}

/// Which captions a benchmark used, if that is a choice.
pub fn captions(options: &BTreeMap<String, String>) -> String {
    let long = options.get("captions").filter(|name| *name != "short");
    long.map(|name| format!(" ({name} captions)"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(baseline: f64, candidate: f64, headline: bool) -> Difference {
        let difference = candidate - baseline;
        Difference {
            baseline,
            candidate,
            difference,
            low: difference - 1.0,
            high: difference + 1.0,
            p: 0.5,
            test: "mcnemar",
            headline,
            fell: false,
        }
    }

    fn set(role: Role, paired: usize, metrics: &[(&str, Difference)]) -> OfSet {
        let metrics = metrics
            .iter()
            .map(|(name, metric)| ((*name).to_owned(), metric.clone()));
        OfSet {
            name: "a set".to_owned(),
            role,
            compared: vec![Compared {
                benchmark: "pairs".to_owned(),
                options: BTreeMap::new(),
                data_fingerprint: String::new(),
                baseline: String::new(),
                candidate: String::new(),
                protected: true,
                paired,
                unpaired: 0,
                metrics: metrics.collect(),
            }],
            shown: Vec::new(),
        }
    }

    fn rules(set: OfSet) -> Vec<&'static str> {
        let terms = GateTerms {
            margin: 0.5,
            group_margin: 3.0,
            least_pairs: 20,
            resamples: 100,
            seed: 0,
        };
        let refusals = judge(&[set], &terms);
        refusals.into_iter().map(|refusal| refusal.rule).collect()
    }

    #[test]
    fn protected_numbers_may_fall_by_the_margin_and_single_groups_by_theirs() {
        let protected = |metrics: &[(&str, Difference)]| rules(set(Role::Protected, 500, metrics));
        let headline = |after| ("text_to_image", metric(90.0, after, true));
        assert!(protected(&[headline(89.6)]).is_empty());
        assert_eq!(protected(&[headline(89.4)]), ["worse"]);
        // A mean that stays can hide a group that falls.
        let with_p = |after, p| Difference {
            p,
            ..metric(90.0, after, false)
        };
        let group = |after, p| ("text_to_image/text", with_p(after, p));
        assert!(protected(&[headline(90.0), group(87.5, 0.001)]).is_empty());
        assert_eq!(
            protected(&[headline(90.0), group(86.0, 0.04)]),
            ["group worse"]
        );
        assert!(protected(&[headline(90.0), group(86.0, 0.2)]).is_empty());
        // With two groups, each is asked more strictly.
        let other = ("text_to_image/color", with_p(90.0, 1.0));
        assert!(protected(&[headline(90.0), group(86.0, 0.04), other.clone()]).is_empty());
        assert_eq!(
            protected(&[headline(90.0), group(86.0, 0.02), other]),
            ["group worse"]
        );
        // Groups of other metrics are shown, and decide nothing.
        let both = ("both_ways/text", with_p(50.0, 0.001));
        assert!(protected(&[headline(90.0), both]).is_empty());
    }

    #[test]
    fn a_line_needs_a_gain_that_enough_pairs_show() {
        let line = |paired, after| {
            let metrics = [("both_ways", metric(40.0, after, false))];
            rules(set(Role::Line, paired, &metrics))
        };
        let with_headline = |p| {
            let headline = Difference {
                p,
                ..metric(60.0, 50.0, true)
            };
            let metrics = [
                ("both_ways", metric(40.0, 60.0, false)),
                ("text_to_image", headline),
            ];
            rules(set(Role::Line, 30, &metrics))
        };
        assert!(with_headline(0.4).is_empty());
        assert_eq!(with_headline(0.01), ["worse"]);
        assert!(line(20, 60.0).is_empty());
        assert_eq!(line(19, 60.0), ["too few pairs"]);
        assert_eq!(line(20, 40.0), ["not better"]);
        assert_eq!(line(3, 30.0), ["too few pairs", "not better"]);
        let none = rules(set(Role::Line, 20, &[]));
        assert_eq!(none, ["not better"]);
    }
}
