//! Structural similarity of two grey pictures (Wang et al., 2004).

/// Side of the square window.
const WINDOW: usize = 7;
/// The constants of the paper for grey values from 0 to 1.
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// Mean structural similarity, −1..1, with a uniform window of 7×7 and sample covariances (scikit-image's
/// `structural_similarity` with `data_range=1`), over the windows that lie wholly where `valid` holds.
///
/// Pictures with a side under 7 are one window. `None` where no window is valid.
pub(super) fn ssim(a: &[f32], b: &[f32], width: usize, valid: Option<&[bool]>) -> Option<f64> {
    let height = a.len() / width.max(1);
    let (across, down) = (WINDOW.min(width), WINDOW.min(height));
    if a.is_empty() || a.len() != b.len() {
        return None;
    }
    let pixels = (across * down) as f64;
    let unbiased = if pixels > 1.0 {
        pixels / (pixels - 1.0)
    } else {
        1.0
    };
    // Sums over `down` rows, a column: of a, b, a², b², ab, and of pixels that are not valid.
    let mut columns = vec![[0.0_f64; 6]; width];
    let (mut total, mut windows) = (0.0, 0_usize);
    for row in 0..height {
        let mut change = |row: usize, sign: f64| {
            let at = row * width;
            for (column, sums) in columns.iter_mut().enumerate() {
                let (x, y) = (f64::from(a[at + column]), f64::from(b[at + column]));
                let invalid = valid.is_some_and(|valid| !valid[at + column]);
                let terms = [x, y, x * x, y * y, x * y, f64::from(u8::from(invalid))];
                for (sum, term) in sums.iter_mut().zip(terms) {
                    *sum += sign * term;
                }
            }
        };
        change(row, 1.0);
        if row >= down {
            change(row - down, -1.0);
        }
        if row + 1 < down {
            continue;
        }
        let mut sums = [0.0_f64; 6];
        for column in 0..width {
            for index in 0..6 {
                sums[index] += columns[column][index];
                if column >= across {
                    sums[index] -= columns[column - across][index];
                }
            }
            if column + 1 < across || sums[5] > 0.5 {
                continue;
            }
            let [x, y, xx, yy, xy] = [0, 1, 2, 3, 4].map(|index| sums[index] / pixels);
            let (variance_x, variance_y) = (unbiased * (xx - x * x), unbiased * (yy - y * y));
            let covariance = unbiased * (xy - x * y);
            total += (2.0 * x * y + C1) * (2.0 * covariance + C2)
                / ((x * x + y * y + C1) * (variance_x + variance_y + C2));
            windows += 1;
        }
    }
    (windows > 0).then(|| total / windows as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the definition, window by window.
    fn defined(a: &[f32], b: &[f32], width: usize, valid: &[bool]) -> Option<f64> {
        let height = a.len() / width;
        let (across, down) = (WINDOW.min(width), WINDOW.min(height));
        let mut found = Vec::new();
        for top in 0..=height - down {
            for left in 0..=width - across {
                let pixels = (0..down * across)
                    .map(|i| (top + i / across) * width + left + i % across)
                    .collect::<Vec<_>>();
                if !pixels.iter().all(|pixel| valid[*pixel]) {
                    continue;
                }
                let count = pixels.len() as f64;
                let mean = |of: &dyn Fn(usize) -> f64| {
                    pixels.iter().map(|pixel| of(*pixel)).sum::<f64>() / count
                };
                let (x, y) = (mean(&|p| f64::from(a[p])), mean(&|p| f64::from(b[p])));
                let unbiased = if count > 1.0 {
                    count / (count - 1.0)
                } else {
                    1.0
                };
                let variance = |of: &[f32], about: f64| {
                    unbiased * mean(&|p| (f64::from(of[p]) - about).powi(2))
                };
                let covariance =
                    unbiased * mean(&|p| (f64::from(a[p]) - x) * (f64::from(b[p]) - y));
                found.push(
                    (2.0 * x * y + C1) * (2.0 * covariance + C2)
                        / ((x * x + y * y + C1) * (variance(a, x) + variance(b, y) + C2)),
                );
            }
        }
        (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
    }

    proptest! {
        #[test]
        fn it_is_the_mean_over_windows(
            width in 1_usize..24,
            height in 1_usize..16,
            holes in 0_usize..3,
            seed in any::<u64>(),
        ) {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut picture = || (0..width * height).map(|_| random.f32()).collect::<Vec<_>>();
            let (a, b) = (picture(), picture());
            let mut valid = vec![true; a.len()];
            for _ in 0..holes {
                valid[random.usize(..a.len())] = false;
            }
            let mask = (holes > 0).then_some(&valid[..]);
            match (ssim(&a, &b, width, mask), defined(&a, &b, width, &valid)) {
                (Some(found), Some(wanted)) => prop_assert!((found - wanted).abs() < 1e-9),
                (found, wanted) => prop_assert_eq!(found, wanted),
            }
        }
    }
}
