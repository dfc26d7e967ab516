//! A score among the scores of OK images.

/// Scores of OK images that the model had not seen when it scored them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OkScores(Vec<f64>);

impl OkScores {
    /// Sorts the scores.
    #[must_use]
    pub fn new(mut scores: Vec<f64>) -> Self {
        scores.sort_by(f64::total_cmp);
        Self(scores)
    }

    /// The share of the OK images with a lower score, 0..1: 0.99 means the same for every reference. 0 without scores.
    #[must_use]
    pub fn rank(&self, score: f64) -> f64 {
        let lower = self
            .0
            .partition_point(|other| other.total_cmp(&score).is_lt());
        lower as f64 / self.0.len().max(1) as f64
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::OkScores;

    #[test]
    fn a_rank_is_the_share_of_lower_scores() {
        let ok = OkScores::new(vec![3.0, 1.0, 2.0, 2.0]);
        assert_eq!(
            [0.0, 1.0, 2.0, 2.5, 9.0].map(|score| ok.rank(score)),
            [0.0, 0.0, 0.25, 0.75, 1.0]
        );
        assert_eq!(OkScores::default().rank(1.0), 0.0);
    }
}
