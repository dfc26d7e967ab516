//! One score from several parts, with settings that come from OK images alone.

use super::error::InspectionError;

/// Exponent of the sum: 1 adds the parts, a large one takes the largest. A defect shows in few parts, so it is high.
const EXPONENT: f64 = 4.0;

/// How parts are put on one scale and added.
#[derive(Debug, Clone, PartialEq)]
pub struct Fusion {
    parts: Vec<Part>,
}

/// Of one part, over OK images that the model had not seen.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    mean: f64,
    spread: f64,
    /// 0..1.
    weight: f64,
}

impl Fusion {
    /// Fits it on the parts of held-out OK images, one row an image, at least one.
    ///
    /// A part that goes along with others on OK images says the same as they do; it weighs 1 / (1 + the sum of its
    /// positive correlations with them), so that a thing that is measured twice does not count twice. Of a correlation,
    /// what few images show by chance (2 / √images) is taken off first. No part spreads less than `least`, 0 or more: rows of
    /// images that are more alike than good parts are would make every part too sharp.
    pub fn fit(rows: &[Vec<f64>], least: f64) -> Result<Self, InspectionError> {
        let first = rows.first().ok_or(InspectionError::NoReference)?;
        if let Some(row) = rows.iter().find(|row| row.len() != first.len()) {
            return Err(InspectionError::Length {
                what: "the parts of a score",
                expected: first.len(),
                found: row.len(),
            });
        }
        let count = rows.len() as f64;
        let column = |part: usize| rows.iter().map(move |row| row[part]);
        let mut parts: Vec<_> = (0..first.len())
            .map(|part| {
                let mean = column(part).sum::<f64>() / count;
                let squares: f64 = column(part).map(|value| (value - mean).powi(2)).sum();
                // Of one image there is no spread; a tenth of a unit of these logarithms is a usual one.
                let spread = if rows.len() > 1 {
                    (squares / (count - 1.0)).sqrt()
                } else {
                    0.1
                };
                Part {
                    mean,
                    spread: spread.max(least).max(1e-3 * (1.0 + mean.abs())),
                    weight: 1.0,
                }
            })
            .collect();
        if rows.len() > 4 {
            let together = |a: usize, b: usize| {
                let both = column(a).zip(column(b));
                let sum: f64 = both
                    .map(|(x, y)| (x - parts[a].mean) * (y - parts[b].mean))
                    .sum();
                let correlation = sum / (count - 1.0) / parts[a].spread / parts[b].spread;
                (correlation - 2.0 / count.sqrt()).clamp(0.0, 1.0)
            };
            let others = |a: usize| {
                (0..first.len())
                    .filter(|b| *b != a)
                    .map(|b| together(a, b))
                    .sum::<f64>()
            };
            let weights: Vec<_> = (0..first.len())
                .map(|part| 1.0 / (1.0 + others(part)))
                .collect();
            for (part, weight) in parts.iter_mut().zip(weights) {
                part.weight = weight;
            }
        }
        Ok(Self { parts })
    }

    /// The fused score of an image: about 1 where all is OK, rising with every part, by about one for each standard
    /// deviation of the part that stands out.
    pub fn score(&self, parts: &[f64]) -> Result<f64, InspectionError> {
        if parts.len() != self.parts.len() {
            let (expected, found) = (self.parts.len(), parts.len());
            return Err(InspectionError::Length {
                what: "the parts of a score",
                expected,
                found,
            });
        }
        let sum: f64 = self
            .standardised(parts)
            .zip(&self.parts)
            .map(|(z, part)| part.weight * softplus(z).powf(EXPONENT))
            .sum();
        Ok(sum.powf(1.0 / EXPONENT))
    }

    /// Each part in standard deviations of OK images from their mean.
    pub fn standardised<'a>(&'a self, parts: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        // Bounded, so that no power overflows.
        self.parts
            .iter()
            .zip(parts)
            .map(|(part, value)| ((value - part.mean) / part.spread).clamp(-1e6, 1e6))
    }

    /// The weight of each part, 0..1.
    #[must_use]
    pub fn weights(&self) -> Vec<f64> {
        self.parts.iter().map(|part| part.weight).collect()
    }

    /// The score of each held-out row, fused with what the others say: what ranks are made from. With fewer than three
    /// rows, each is fused with what all say.
    pub fn held_out(rows: &[Vec<f64>], least: f64) -> Result<Vec<f64>, InspectionError> {
        if rows.len() < 3 {
            let fusion = Self::fit(rows, least)?;
            return rows.iter().map(|row| fusion.score(row)).collect();
        }
        let mut others = rows.to_vec();
        let mut scores = Vec::with_capacity(rows.len());
        for index in 0..rows.len() {
            let row = others.swap_remove(index);
            scores.push(Self::fit(&others, least)?.score(&row)?);
            others.push(row);
            let last = others.len() - 1;
            others.swap(index, last);
        }
        Ok(scores)
    }
}

/// One score of several views of a part, by the same sum: a defect that one view shows is enough. 0 without views.
#[must_use]
pub fn joined(scores: &[f64]) -> f64 {
    scores
        .iter()
        .map(|score| score.max(0.0).powf(EXPONENT))
        .sum::<f64>()
        .powf(1.0 / EXPONENT)
}

/// ln(1 + eˣ): near 0 where a part is low, and the part itself where it is high.
fn softplus(value: f64) -> f64 {
    value.max(0.0) + (-value.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(count: usize, parts: usize) -> Vec<Vec<f64>> {
        let mut random = fastrand::Rng::with_seed(3);
        (0..count)
            .map(|_| (0..parts).map(|_| random.f64() + random.f64()).collect())
            .collect()
    }

    proptest! {
        #[test]
        fn the_score_rises_with_every_part(part in 0_usize..5, more in 0.01..100.0, images in 1_usize..20) {
            let fusion = Fusion::fit(&rows(images, 5), 0.02).expect("there are rows");
            let parts = vec![1.0; 5];
            let mut higher = parts.clone();
            higher[part] += more;
            let (low, high) = (fusion.score(&parts).expect("five"), fusion.score(&higher).expect("five"));
            prop_assert!(low.is_finite() && high >= low);
            // Far below the mean of OK images a part adds less than the sum of the others can show.
            let far_below = fusion.standardised(&higher).nth(part).expect("five") < -3.0;
            prop_assert!(high > low || far_below);
            prop_assert!(fusion.weights().iter().all(|weight| (0.0..=1.0).contains(weight)));
        }
    }

    #[test]
    fn a_part_that_is_given_twice_counts_once() {
        let single = rows(40, 2);
        let double: Vec<_> = single
            .iter()
            .map(|row| vec![row[0], row[0], row[1]])
            .collect();
        let weights = Fusion::fit(&double, 0.0).expect("rows").weights();
        assert!(
            (weights[0] - 0.5).abs() < 0.1
                && (weights[0] - weights[1]).abs() < 1e-9
                && weights[2] > 0.7,
            "{weights:?}"
        );
    }

    #[test]
    fn one_view_is_enough() {
        assert!((joined(&[1.0, 9.0, 1.0]) - 9.0).abs() < 0.01);
        assert_eq!((joined(&[]), joined(&[2.5])), (0.0, 2.5));
    }

    #[test]
    fn no_part_spreads_less_than_is_asked() {
        let rows: Vec<_> = (0..6).map(|i| vec![1.0 + f64::from(i) * 1e-3]).collect();
        let [sharp, blunt] = [0.0, 0.1].map(|least| Fusion::fit(&rows, least).expect("rows"));
        let deviation = |fusion: &Fusion| fusion.standardised(&[1.2]).next().expect("one part");
        assert!(deviation(&sharp) > 50.0 && (deviation(&blunt) - 1.975).abs() < 1e-6);
    }

    #[test]
    fn one_image_is_enough_and_none_is_an_error() {
        let fusion = Fusion::fit(&[vec![1.0, 2.0]], 0.0).expect("one row");
        assert!(fusion.score(&[1.0, 9.0]).expect("two") > fusion.score(&[1.0, 2.0]).expect("two"));
        assert_eq!(Fusion::fit(&[], 0.0), Err(InspectionError::NoReference));
        assert!(fusion.score(&[1.0]).is_err());
        assert_eq!(Fusion::held_out(&rows(7, 3), 0.0).expect("rows").len(), 7);
    }
}
