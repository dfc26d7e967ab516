//! Labels of one image, best first.

/// A label with its index in the request and its scores.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedLabel {
    /// Index in the request's label list.
    pub index: usize,
    /// Probability.
    pub score: f32,
    /// Cosine.
    pub cosine: f32,
}

/// Sorts labels by probability, then by cosine (probabilities may round to the same value), then by the order of the
/// request.
pub fn rank(cosines: &[f32], probabilities: &[f32]) -> Vec<RankedLabel> {
    let pairs = cosines.iter().zip(probabilities).enumerate();
    let mut ranked: Vec<_> = pairs
        .map(|(index, (&cosine, &score))| RankedLabel {
            index,
            score,
            cosine,
        })
        .collect();
    ranked.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then(b.cosine.total_cmp(&a.cosine))
            .then(a.index.cmp(&b.index))
    });
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_probabilities_are_ordered_by_cosine_then_by_place() {
        let order: Vec<_> = rank(&[0.1, 0.3, 0.3, 0.9], &[0.0, 0.0, 0.0, 1.0])
            .iter()
            .map(|r| r.index)
            .collect();
        assert_eq!(order, [3, 1, 2, 0]);
    }
}
