//! Measures of one score an image.

/// Area under the ROC curve: the share of (NG, OK) pairs in which the NG image has the higher score, ties counted as a
/// half (Mann and Whitney, 1947). `None` without an image of each kind.
#[must_use]
pub fn auroc(ok: &[f64], ng: &[f64]) -> Option<f64> {
    if ok.is_empty() || ng.is_empty() {
        return None;
    }
    let ok = sorted(ok);
    let wins: f64 = ng
        .iter()
        .map(|score| {
            let below = ok.partition_point(|other| other.total_cmp(score).is_lt());
            let not_above = ok.partition_point(|other| other.total_cmp(score).is_le());
            below as f64 + (not_above - below) as f64 / 2.0
        })
        .sum();
    Some(wins / (ok.len() as f64 * ng.len() as f64))
}

/// Decisions at one threshold: an image with a score of at least the threshold is called NG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// NG images called NG.
    pub true_positives: usize,
    /// OK images called NG: overkill.
    pub false_positives: usize,
    /// NG images called OK: escapes.
    pub false_negatives: usize,
    /// OK images called OK.
    pub true_negatives: usize,
}

impl Counts {
    /// F1 of the class NG, 0..1; 0 where no image is NG and none is called NG.
    #[must_use]
    pub fn f1(&self) -> f64 {
        let called = 2 * self.true_positives + self.false_positives + self.false_negatives;
        if called == 0 {
            return 0.0;
        }
        2.0 * self.true_positives as f64 / called as f64
    }
}

/// Counts the decisions at a threshold that was set before, such as the shipped one.
#[must_use]
pub fn counts_at(threshold: f64, ok: &[f64], ng: &[f64]) -> Counts {
    let called = |scores: &[f64]| scores.iter().filter(|score| **score >= threshold).count();
    let (true_positives, false_positives) = (called(ng), called(ok));
    Counts {
        true_positives,
        false_positives,
        false_negatives: ng.len() - true_positives,
        true_negatives: ok.len() - false_positives,
    }
}

/// The best F1 that any threshold reaches. The threshold is chosen on the images it is measured with, so the number
/// flatters: print F1 at the shipped threshold beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct F1Max {
    /// The best F1, 0..1.
    pub f1: f64,
    /// The highest threshold that reaches it: one of the scores.
    pub threshold: f64,
}

/// Finds [`F1Max`]. `None` without an NG image.
#[must_use]
pub fn f1_max(ok: &[f64], ng: &[f64]) -> Option<F1Max> {
    if ng.is_empty() {
        return None;
    }
    let (ok, ng) = (sorted(ok), sorted(ng));
    let at_least = |scores: &[f64], threshold: f64| {
        scores.len() - scores.partition_point(|score| score.total_cmp(&threshold).is_lt())
    };
    let mut best: Option<F1Max> = None;
    // A best threshold is always an NG score: between two of them a lower one only adds OK images.
    for threshold in ng.iter().rev().copied() {
        let (true_positives, false_positives) =
            (at_least(&ng, threshold), at_least(&ok, threshold));
        let f1 = 2.0 * true_positives as f64 / (ng.len() + true_positives + false_positives) as f64;
        if best.is_none_or(|best| f1 > best.f1) {
            best = Some(F1Max { f1, threshold });
        }
    }
    best
}

/// PG: the share of OK images that may pass without review while at most `escape` (0.02 for PG2) of the NG images pass
/// with them. The threshold is that quantile of the NG scores, between two scores linearly interpolated
/// (arXiv 2503.23451). `None` without an image of each kind, or with an `escape` outside 0..1.
#[must_use]
pub fn presorted_good(ok: &[f64], ng: &[f64], escape: f64) -> Option<f64> {
    let threshold = quantile(ng, escape)?;
    share(ok, |score| score < threshold)
}

/// PB: the share of NG images that may be thrown out without review while at most `overkill` (0.02 for PB2) of the OK
/// images go with them; as [`presorted_good`], mirrored.
#[must_use]
pub fn presorted_bad(ok: &[f64], ng: &[f64], overkill: f64) -> Option<f64> {
    let threshold = quantile(ok, 1.0 - overkill)?;
    share(ng, |score| score > threshold)
}

fn share(scores: &[f64], holds: impl Fn(f64) -> bool) -> Option<f64> {
    let held = scores.iter().filter(|score| holds(**score)).count();
    (!scores.is_empty()).then(|| held as f64 / scores.len() as f64)
}

fn sorted(scores: &[f64]) -> Vec<f64> {
    let mut scores = scores.to_vec();
    scores.sort_by(f64::total_cmp);
    scores
}

/// The quantile of scores, with linear interpolation: numpy's and torch's default. `None` without a score, or with a `share`
/// outside 0..1.
#[must_use]
pub fn quantile(scores: &[f64], share: f64) -> Option<f64> {
    let last = scores.len().checked_sub(1)?;
    if !(0.0..=1.0).contains(&share) {
        return None;
    }
    let sorted = sorted(scores);
    let position = share * last as f64;
    let below = sorted.get(position as usize)?;
    let above = sorted.get((position as usize + 1).min(last))?;
    Some(below + (above - below) * position.fract())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_measured_without_both_kinds() {
        assert_eq!(auroc(&[], &[1.0]), None);
        assert_eq!(auroc(&[1.0], &[]), None);
        assert_eq!(f1_max(&[1.0], &[]), None);
        assert_eq!(presorted_good(&[1.0], &[], 0.02), None);
        assert_eq!(presorted_bad(&[], &[1.0], 0.02), None);
        assert_eq!(presorted_bad(&[1.0], &[1.0], 1.5), None);
    }

    proptest! {
        /// Against the definition, with many ties.
        #[test]
        fn auroc_is_the_share_of_won_pairs(
            ok in prop::collection::vec(0_u8..6, 1..30),
            ng in prop::collection::vec(0_u8..6, 1..30),
        ) {
            let (ok, ng): (Vec<f64>, Vec<f64>) =
                (ok.into_iter().map(f64::from).collect(), ng.into_iter().map(f64::from).collect());
            let mut won = 0.0;
            for (a, b) in ok.iter().flat_map(|a| ng.iter().map(move |b| (a, b))) {
                won += if b > a { 1.0 } else if a == b { 0.5 } else { 0.0 };
            }
            let measured = auroc(&ok, &ng).unwrap_or(f64::NAN);
            prop_assert!((measured - won / (ok.len() * ng.len()) as f64).abs() < 1e-12);
            prop_assert!((measured + auroc(&ng, &ok).unwrap_or(f64::NAN) - 1.0).abs() < 1e-12);
        }

        /// No threshold at all beats the one that was found.
        #[test]
        fn f1_max_is_the_maximum(
            ok in prop::collection::vec(0_u8..9, 0..30),
            ng in prop::collection::vec(0_u8..9, 1..30),
        ) {
            let (ok, ng): (Vec<f64>, Vec<f64>) =
                (ok.into_iter().map(f64::from).collect(), ng.into_iter().map(f64::from).collect());
            let best = f1_max(&ok, &ng).expect("there is an NG image");
            prop_assert!((counts_at(best.threshold, &ok, &ng).f1() - best.f1).abs() < 1e-12);
            for threshold in 0..20 {
                prop_assert!(counts_at(f64::from(threshold) / 2.0, &ok, &ng).f1() <= best.f1 + 1e-12);
            }
        }
    }
}
