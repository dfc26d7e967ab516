//! Outcomes of items, and metrics of outcomes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The number of correct answers of an item, and of questions: 0 or 1 of 1, except for an image with several captions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Outcome {
    /// Number of correct answers.
    pub right: u32,
    /// Number of questions.
    pub of: u32,
}

/// The form in JSON: `1`, or `[3, 5]`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(u32),
    Several([u32; 2]),
}

impl From<Outcome> for Written {
    fn from(Outcome { right, of }: Outcome) -> Self {
        if of == 1 {
            Self::One(right)
        } else {
            Self::Several([right, of])
        }
    }
}

impl From<Written> for Outcome {
    fn from(written: Written) -> Self {
        match written {
            Written::One(right) => Self { right, of: 1 },
            Written::Several([right, of]) => Self { right, of },
        }
    }
}

impl From<bool> for Outcome {
    fn from(right: bool) -> Self {
        Self {
            right: right.into(),
            of: 1,
        }
    }
}

/// The unit that is scored and resampled: a pair, an example, an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoredItem {
    /// Its unique name in the data.
    pub id: String,
    /// Category, tag, subset or class.
    pub group: String,
    /// Outcomes by name.
    pub outcomes: BTreeMap<String, Outcome>,
}

/// The weighting of a metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// All items with equal weight.
    Items,
    /// All groups with equal weight, whatever their sizes.
    Groups,
    /// The items of one group.
    Group(String),
}

/// A metric to compute from the items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricSpec {
    pub name: String,
    pub outcome: String,
    pub over: Over,
    pub headline: bool,
}

/// The result of a benchmark.
#[derive(Debug)]
pub struct Scored {
    pub items: Vec<ScoredItem>,
    pub metrics: Vec<MetricSpec>,
}

impl MetricSpec {
    pub fn new(name: impl Into<String>, outcome: &str, over: Over) -> Self {
        Self {
            name: name.into(),
            outcome: outcome.to_owned(),
            over,
            headline: false,
        }
    }

    /// A headline metric of the benchmark.
    pub fn headline(name: &str, outcome: &str, over: Over) -> Self {
        Self {
            headline: true,
            ..Self::new(name, outcome, over)
        }
    }
}

/// The metric `name` of one outcome for each group, with the name `name/group`.
pub fn by_group(name: &str, outcome: &str, items: &[ScoredItem]) -> Vec<MetricSpec> {
    groups(items)
        .into_iter()
        .map(|group| {
            let over = Over::Group(group.to_owned());
            MetricSpec::new(format!("{name}/{group}"), outcome, over)
        })
        .collect()
}

/// Groups in order of first occurrence.
pub fn groups(items: &[ScoredItem]) -> Vec<&str> {
    let mut seen = std::collections::HashSet::new();
    items
        .iter()
        .map(|item| item.group.as_str())
        .filter(|group| seen.insert(*group))
        .collect()
}

/// The outcomes that a metric averages, separated where the metric needs it.
pub fn strata(items: &[ScoredItem], outcome: &str, over: &Over) -> Vec<Vec<Outcome>> {
    let of = |item: &ScoredItem| item.outcomes.get(outcome).copied();
    let all = match over {
        Over::Items => vec![items.iter().filter_map(of).collect()],
        Over::Group(name) => vec![
            items
                .iter()
                .filter(|item| item.group == *name)
                .filter_map(of)
                .collect(),
        ],
        Over::Groups => {
            let mut strata: Vec<Vec<Outcome>> = Vec::new();
            let mut places: BTreeMap<&str, usize> = BTreeMap::new();
            for item in items {
                let Some(outcome) = of(item) else { continue };
                let place = *places.entry(&item.group).or_insert_with(|| {
                    strata.push(Vec::new());
                    strata.len() - 1
                });
                if let Some(stratum) = strata.get_mut(place) {
                    stratum.push(outcome);
                }
            }
            strata
        }
    };
    all.into_iter().filter(|s: &Vec<_>| !s.is_empty()).collect()
}

/// Mean over the strata of the share of correct answers, in percent; None if there are no questions.
pub fn value(strata: &[Vec<Outcome>]) -> Option<f64> {
    let share = |stratum: &Vec<Outcome>| share(stratum.iter().copied());
    (!strata.is_empty()).then(|| mean(strata.iter().map(share)))
}

/// Share of correct answers, in percent.
pub fn share(outcomes: impl Iterator<Item = Outcome>) -> f64 {
    let (right, of) = outcomes.fold((0_u64, 0_u64), |(right, of), outcome| {
        (right + u64::from(outcome.right), of + u64::from(outcome.of))
    });
    100.0 * right as f64 / of.max(1) as f64
}

/// Mean of at least one number.
pub fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1);
    values.sum::<f64>() / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, group: &str, right: u32, of: u32) -> ScoredItem {
        let outcomes = [("hit".to_owned(), Outcome { right, of })].into();
        ScoredItem {
            id: id.to_owned(),
            group: group.to_owned(),
            outcomes,
        }
    }

    #[test]
    fn items_or_groups_have_equal_weight() {
        let items = [
            item("1", "a", 1, 1),
            item("2", "a", 0, 1),
            item("3", "a", 0, 1),
            item("4", "a", 0, 1),
            item("5", "b", 1, 1),
        ];
        let of = |over| value(&strata(&items, "hit", &over));
        assert_eq!(of(Over::Items), Some(40.0));
        assert_eq!(of(Over::Groups), Some(62.5));
        assert_eq!(of(Over::Group("a".to_owned())), Some(25.0));
        assert_eq!(of(Over::Group("none".to_owned())), None);
        // Two images: 3 of 5 and 0 of 1 captions.
        let items = [item("1", "", 3, 5), item("2", "", 0, 1)];
        assert_eq!(value(&strata(&items, "hit", &Over::Items)), Some(50.0));
    }

    #[test]
    fn an_outcome_is_one_number_where_one_is_enough() {
        let text = |right, of| serde_json::to_string(&Outcome { right, of }).unwrap();
        assert_eq!(
            (text(1, 1), text(3, 5)),
            ("1".to_owned(), "[3,5]".to_owned())
        );
        let read: Outcome = serde_json::from_str("[3, 5]").unwrap();
        assert_eq!(read, Outcome { right: 3, of: 5 });
    }
}
