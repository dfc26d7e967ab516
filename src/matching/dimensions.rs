//! Shorter embeddings (Matryoshka representation learning, arXiv 2205.13147): slice first, normalise after.

/// The first `dimensions` numbers of an embedding, normalised again. With all of them the embedding is unchanged.
pub fn shorten(embedding: &[f32], dimensions: usize) -> Vec<f32> {
    let kept = &embedding[..dimensions.min(embedding.len())];
    if kept.len() == embedding.len() {
        return kept.to_vec();
    }
    let norm = kept
        .iter()
        .map(|x| f64::from(*x) * f64::from(*x))
        .sum::<f64>()
        .sqrt();
    if norm == 0.0 {
        return kept.to_vec();
    }
    kept.iter().map(|x| (f64::from(*x) / norm) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_embedding_has_length_one() {
        let short = shorten(&[0.6, 0.0, 0.8], 2);
        assert_eq!(short, [1.0, 0.0]);
        assert_eq!(shorten(&[0.6, 0.0, 0.8], 3), [0.6, 0.0, 0.8]);
        assert_eq!(shorten(&[0.0, 0.0, 1.0], 2), [0.0, 0.0]);
    }
}
