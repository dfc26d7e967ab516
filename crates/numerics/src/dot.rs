//! The dot product of two embeddings.

/// Sum of the products, computed in float64, eight sums at a time: a retrieval benchmark has a hundred million of them.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0_f64; 8];
    let (mut left, mut right) = (a.chunks_exact(8), b.chunks_exact(8));
    for (x, y) in left.by_ref().zip(right.by_ref()) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += f64::from(*x) * f64::from(*y);
        }
    }
    let rest = left.remainder().iter().zip(right.remainder());
    let rest: f64 = rest.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    sums.iter().sum::<f64>() + rest
}

/// Cosine of two L2-normalised embeddings: their dot product, clamped to −1..1 because of rounding.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    dot(a, b).clamp(-1.0, 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_whatever_the_length() {
        let mut random = fastrand::Rng::with_seed(1);
        for length in [0, 1, 7, 8, 9, 512, 517] {
            let mut vector = || (0..length).map(|_| random.f32() - 0.5).collect::<Vec<_>>();
            let (a, b) = (vector(), vector());
            let plain: f64 = a
                .iter()
                .zip(&b)
                .map(|(x, y)| f64::from(*x) * f64::from(*y))
                .sum();
            assert!((dot(&a, &b) - plain).abs() < 1e-12);
            assert_eq!(dot(&a, &b).to_bits(), dot(&b, &a).to_bits());
        }
        assert_eq!(cosine(&[1.0, 1.0], &[1.0, 1.0]), 1.0);
    }
}
