//! Affine transforms of the plane: where a pixel of one picture lies in another.

/// `x' = m[0][0] x + m[0][1] y + m[0][2]`, `y' = m[1][0] x + m[1][1] y + m[1][2]`, in pixels; the centre of the first
/// pixel is (0, 0).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform(pub [[f64; 3]; 2]);

impl Transform {
    /// Every pixel stays where it is.
    pub const IDENTITY: Self = Self([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);

    /// Turns by `degrees` (from x towards y) and scales about `centre`, then shifts.
    #[must_use]
    pub fn similarity(degrees: f64, scale: f64, shift: (f64, f64), centre: (f64, f64)) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (a, b) = (scale * cos, scale * sin);
        let (cx, cy) = centre;
        Self([
            [a, -b, cx - a * cx + b * cy + shift.0],
            [b, a, cy - b * cx - a * cy + shift.1],
        ])
    }

    /// From a picture of one size to the same picture at another: the pixels' edges meet, not their centres.
    #[must_use]
    pub fn resize(from: (usize, usize), to: (usize, usize)) -> Self {
        let (x, y) = (
            to.0 as f64 / from.0.max(1) as f64,
            to.1 as f64 / from.1.max(1) as f64,
        );
        Self([[x, 0.0, x / 2.0 - 0.5], [0.0, y, y / 2.0 - 0.5]])
    }

    /// Adds `x` and `y` to every position.
    #[must_use]
    pub fn shift(x: f64, y: f64) -> Self {
        Self([[1.0, 0.0, x], [0.0, 1.0, y]])
    }

    /// Where a position lies after it.
    #[must_use]
    pub fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        let [first, second] = &self.0;
        (
            first[0] * x + first[1] * y + first[2],
            second[0] * x + second[1] * y + second[2],
        )
    }

    /// This transform, then `next`.
    #[must_use]
    pub fn then(&self, next: &Self) -> Self {
        let row = |n: &[f64; 3]| {
            let at = |column: usize| n[0] * self.0[0][column] + n[1] * self.0[1][column];
            [at(0), at(1), at(2) + n[2]]
        };
        Self([row(&next.0[0]), row(&next.0[1])])
    }

    /// The way back; `None` where the transform flattens the plane or is not finite.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        let [[a, b, x], [c, d, y]] = self.0;
        let determinant = a * d - b * c;
        if !determinant.is_normal() || !(x + y).is_finite() {
            return None;
        }
        let (a, b, c, d) = (
            d / determinant,
            -b / determinant,
            -c / determinant,
            a / determinant,
        );
        Some(Self([[a, b, -(a * x + b * y)], [c, d, -(c * x + d * y)]]))
    }

    /// Turn in degrees, −180..180, from x towards y.
    #[must_use]
    pub fn degrees(&self) -> f64 {
        (self.0[1][0] - self.0[0][1])
            .atan2(self.0[0][0] + self.0[1][1])
            .to_degrees()
    }

    /// Scale: the root of the factor by which areas grow.
    #[must_use]
    pub fn scale(&self) -> f64 {
        (self.0[0][0] * self.0[1][1] - self.0[0][1] * self.0[1][0])
            .abs()
            .sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn there_and_back(degrees in -170.0..170.0, scale in 0.5..2.0, x in -50.0..50.0, y in -50.0..50.0) {
            let there = Transform::similarity(degrees, scale, (x, y), (20.0, 30.0));
            prop_assert!((there.degrees() - degrees).abs() < 1e-9 && (there.scale() - scale).abs() < 1e-9);
            let moved = there.apply(20.0, 30.0);
            prop_assert!((moved.0 - 20.0 - x).abs() < 1e-9 && (moved.1 - 30.0 - y).abs() < 1e-9);
            let both = there.then(&there.inverse().expect("it does not flatten"));
            let (u, v) = both.apply(7.0, -3.0);
            prop_assert!((u - 7.0).abs() < 1e-9 && (v + 3.0).abs() < 1e-9);
        }
    }

    #[test]
    fn corners_meet_corners() {
        let up = Transform::resize((10, 4), (40, 4));
        assert_eq!(up.apply(-0.5, -0.5), (-0.5, -0.5));
        assert_eq!(up.apply(9.5, 3.5), (39.5, 3.5));
        assert!(
            Transform([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
                .inverse()
                .is_none()
        );
    }
}
