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
