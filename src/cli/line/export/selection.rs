//! Which corrections become pairs: each NG part beside its reference, and each OK part that a person had to look at beside an
//! NG part, so that what is usual among good parts is in the training set too.

use std::collections::{BTreeMap, HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use super::corrections::Correction;
use super::split::Split;
use super::texts::{Captions, Texts};

/// The same images came before.
const DUPLICATE: &str = "duplicate images";
/// The same images have an OK and an NG verdict.
const CONTRADICTORY: &str = "contradictory verdicts";
/// An OK part, and no NG part in its split.
const NO_NG_PART: &str = "no NG part in the split";

/// A good part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Good {
    /// The line's reference.
    Reference,
    /// A part that a person found OK: its inspection.
    Part(String),
}

/// A pair of images with their texts.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Where it is used.
    pub split: Split,
    /// The good part.
    pub good: Good,
    /// The NG part.
    pub ng: Correction,
    /// What is said of both.
    pub captions: Captions,
}

impl Pair {
    /// Its id: that of the inspection, and of the one of the good part.
    pub fn id(&self) -> String {
        match &self.good {
            Good::Reference => self.ng.inspection.clone(),
            Good::Part(part) => format!("{}+{part}", self.ng.inspection),
        }
    }
}

/// What was selected.
#[derive(Debug, Default)]
pub struct Selection {
    /// The pairs, the oldest inspection first.
    pub pairs: Vec<Pair>,
    /// Number of corrections that are in no pair, by reason.
    pub left_out: BTreeMap<String, usize>,
}

impl Selection {
    fn leave_out(&mut self, reason: &str) {
        *self.left_out.entry(reason.to_owned()).or_default() += 1;
    }
}

/// Selects pairs.
pub fn select(corrections: Vec<Correction>, texts: &Texts<'_>) -> Selection {
    let mut selected = Selection::default();
    let mut first_said: HashMap<String, String> = HashMap::new();
    let mut contradicted = HashSet::new();
    for Correction {
        content, verdict, ..
    } in &corrections
    {
        let said = &verdict.verdict;
        let first = first_said.entry(content.clone());
        if first.or_insert_with(|| said.clone()) != said {
            contradicted.insert(content.clone());
        }
    }
    let (mut ok, mut ng) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for correction in corrections {
        if let Some(reason) = &correction.left_out {
            selected.leave_out(reason);
        } else if contradicted.contains(&correction.content) {
            selected.leave_out(CONTRADICTORY);
        } else if !seen.insert(correction.content.clone()) {
            selected.leave_out(DUPLICATE);
        } else if correction.verdict.verdict == "ok" {
            ok.push(correction);
        } else {
            match texts.of(&correction.verdict) {
                Ok(captions) => ng.push((correction, captions)),
                Err(reason) => selected.leave_out(reason),
            }
        }
    }
    for (ng, captions) in &ng {
        selected.pairs.push(Pair {
            split: split_of(ng),
            good: Good::Reference,
            ng: ng.clone(),
            captions: captions.clone(),
        });
    }
    for ok in ok {
        let split = split_of(&ok);
        let usable =
            |(ng, _): &&(Correction, Captions)| split_of(ng) == split && ng.view < ok.images;
        let of_lot = |(ng, _): &&(Correction, Captions)| ng.lot.is_some() && ng.lot == ok.lot;
        let all = || ng.iter().filter(usable);
        let near = nearest(all().filter(of_lot), &ok).or_else(|| nearest(all(), &ok));
        match near {
            Some((ng, captions)) => selected.pairs.push(Pair {
                split,
                good: Good::Part(ok.inspection),
                ng: ng.clone(),
                captions: captions.clone(),
            }),
            None => selected.leave_out(NO_NG_PART),
        }
    }
    selected.pairs.sort_by_key(Pair::id);
    selected
}

fn split_of(correction: &Correction) -> Split {
    Split::of(correction.part.as_deref().unwrap_or(&correction.content))
}

/// The NG part of an OK part: another one only if it is added or removed itself (highest random weight).
fn nearest<'a>(
    all: impl Iterator<Item = &'a (Correction, Captions)>,
    ok: &Correction,
) -> Option<&'a (Correction, Captions)> {
    all.max_by_key(|(ng, _)| {
        let both = format!("{} {}", ok.inspection, ng.inspection);
        <[u8; 32]>::from(Sha256::digest(both))
    })
}

#[cfg(test)]
mod tests {
    use super::super::corrections::Said;
    use super::*;

    fn correction(id: &str, verdict: &str, part: &str, lot: &str) -> Correction {
        Correction {
            inspection: id.to_owned(),
            verdict: Said {
                verdict: verdict.to_owned(),
                kind: Some("scratch".to_owned()),
                caption: Some("a scratch".to_owned()),
                who: "ann".to_owned(),
            },
            part: Some(part.to_owned()),
            lot: Some(lot.to_owned()),
            version: 1,
            model: "demo".to_owned(),
            content: format!("content of {id}"),
            images: 1,
            view: 0,
            left_out: None,
        }
    }

    fn selected(corrections: Vec<Correction>) -> Selection {
        let texts = Texts {
            statements: &[],
            ok_text: Some("a good part"),
        };
        select(corrections, &texts)
    }

    #[test]
    fn what_must_not_train_is_counted_by_reason() {
        let audited = Correction {
            left_out: Some("audit".to_owned()),
            ..correction("a", "ng", "1", "l")
        };
        let again = Correction {
            inspection: "c".to_owned(),
            ..correction("b", "ng", "2", "l")
        };
        let contradicted = Correction {
            content: "content of d".to_owned(),
            ..correction("e", "ok", "3", "l")
        };
        let lonely = correction("f", "ok", "a part of its own", "l");
        let mut silent = correction("g", "ng", "4", "l");
        silent.verdict.caption = None;
        let all = vec![
            audited,
            correction("b", "ng", "2", "l"),
            again,
            correction("d", "ng", "3", "l"),
            contradicted,
            lonely.clone(),
            silent,
        ];
        let split = Split::of("2");
        let found = selected(all);
        let ids: Vec<_> = found.pairs.iter().map(Pair::id).collect();
        let reasons = [
            ("audit", 1),
            (CONTRADICTORY, 2),
            (DUPLICATE, 1),
            (NO_NG_PART, 1),
            ("no caption", 1),
        ];
        if Split::of("a part of its own") == split {
            assert_eq!(ids, ["b", "b+f"]);
        } else {
            assert_eq!(ids, ["b"]);
            let reasons = reasons.map(|(reason, count)| (reason.to_owned(), count));
            assert_eq!(found.left_out, BTreeMap::from(reasons));
        }
    }

    #[test]
    fn images_of_parts_are_in_one_split_and_stay_there() {
        let parts = |count: usize| {
            let one = |number: usize| {
                let verdict = if number.is_multiple_of(3) { "ng" } else { "ok" };
                let (part, lot) = (number.to_string(), (number % 7).to_string());
                correction(&format!("{number:04}"), verdict, &part, &lot)
            };
            selected((0..count).map(one).collect())
        };
        let (few, more) = (parts(300), parts(600));
        let split = |selection: &Selection| -> HashMap<String, Split> {
            let pairs = selection.pairs.iter().flat_map(|pair| {
                let good = match &pair.good {
                    Good::Part(part) => Some((part.clone(), pair.split)),
                    Good::Reference => None,
                };
                good.into_iter()
                    .chain([(pair.ng.inspection.clone(), pair.split)])
            });
            let mut found = HashMap::new();
            for (image, split) in pairs {
                assert_eq!(*found.entry(image).or_insert(split), split);
            }
            found
        };
        let (before, after) = (split(&few), split(&more));
        assert_eq!(before.len(), 300);
        assert!(
            before
                .iter()
                .all(|(image, split)| after.get(image) == Some(split))
        );
        // An OK part stands beside an NG part of its own lot, where there is one.
        let same_lot = |pair: &&Pair| match &pair.good {
            Good::Part(part) => {
                part.parse::<usize>().unwrap() % 7
                    == pair.ng.lot.as_ref().unwrap().parse::<usize>().unwrap()
            }
            Good::Reference => false,
        };
        let beside = |pair: &&Pair| pair.good != Good::Reference;
        let all = more.pairs.iter().filter(beside).count();
        assert_eq!(all, 400);
        assert!(more.pairs.iter().filter(same_lot).count() > 380);
    }
}
