//! Mondrian conformal p-values (Vovk et al., 2003): how usual a score is among the calibration parts of each class.

use super::score::Score;

/// Both p-values, each above 0 and at most 1.
///
/// If the part is of the class, P(p ≤ x) ≤ x for each x, whatever the distribution of the scores.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PValues {
    /// Small: the score is high for an OK part.
    pub ok: f64,
    /// Small: the score is low for an NG part.
    pub ng: f64,
}

impl PValues {
    /// (1 + number of calibration parts that are at least as unusual) / (n + 1). `ok` and `ng` are the scores of the
    /// calibration parts, ascending.
    pub(super) fn of(score: Score, ok: &[Score], ng: &[Score]) -> Self {
        let ok_at_least = ok.len() - ok.partition_point(|other| *other < score);
        let ng_at_most = ng.partition_point(|other| *other <= score);
        let p = |unusual: usize, parts: usize| (unusual + 1) as f64 / (parts + 1) as f64;
        Self {
            ok: p(ok_at_least, ok.len()),
            ng: p(ng_at_most, ng.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_count_equal_scores_as_unusual() {
        let scores = |values: &[f64]| -> Vec<Score> {
            values
                .iter()
                .map(|value| Score::new(*value).unwrap())
                .collect()
        };
        let (ok, ng) = (scores(&[0.0, 1.0, 1.0, 2.0]), scores(&[1.0, 3.0]));
        let p = |score| PValues::of(Score::new(score).unwrap(), &ok, &ng);
        assert_eq!(
            p(1.0),
            PValues {
                ok: 4.0 / 5.0,
                ng: 2.0 / 3.0
            }
        );
        assert_eq!(
            p(9.0),
            PValues {
                ok: 1.0 / 5.0,
                ng: 1.0
            }
        );
        assert_eq!(
            p(-9.0),
            PValues {
                ok: 1.0,
                ng: 1.0 / 3.0
            }
        );
        let none = PValues::of(Score::new(0.0).unwrap(), &[], &[]);
        assert_eq!(none, PValues { ok: 1.0, ng: 1.0 });
    }

    #[test]
    fn p_values_of_the_own_class_are_uniform() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut below = 0;
        for _ in 0..4000 {
            let mut scores: Vec<_> = (0..49).map(|_| Score::new(rng.f64()).unwrap()).collect();
            scores.sort_unstable();
            let p = PValues::of(Score::new(rng.f64()).unwrap(), &scores, &scores);
            below += usize::from(p.ok <= 0.1) + usize::from(p.ng <= 0.1);
        }
        // 8000 · 0.1, five standard deviations
        assert!((660..940).contains(&below), "{below}");
    }
}
