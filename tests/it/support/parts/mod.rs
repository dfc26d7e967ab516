//! Drawn photographs of a part: a printed board with chips, holes and traces, as a camera sees it.

use image::{ImageFormat, Rgb, RgbImage};

/// Width and height of a photograph.
pub const SIDE: u32 = 360;

/// The `resolution` of lines whose scores are not the question. The scratch is found, in a fifth of the time.
pub const FEW_PIXELS: u32 = 192;

/// What differs between two photographs.
#[derive(Debug, Clone, Copy)]
pub struct Shot {
    /// Seed of the noise.
    pub seed: u64,
    /// How far the part is moved, in pixels.
    pub moved: (f64, f64),
    /// How far it is turned, in degrees.
    pub turned: f64,
    /// Factor of the light.
    pub light: f64,
    /// Whether there is a scratch: see [`SCRATCH`].
    pub scratched: bool,
}

impl Default for Shot {
    fn default() -> Self {
        Self {
            seed: 1,
            moved: (0.0, 0.0),
            turned: 0.0,
            light: 1.0,
            scratched: false,
        }
    }
}

impl Shot {
    /// A part as a line sees it: each lies and is lit a little differently.
    pub fn on_a_line(seed: u64, scratched: bool) -> Self {
        Self {
            seed,
            moved: (
                seed as f64 * 0.37 % 2.0 - 1.0,
                seed as f64 * 0.71 % 2.0 - 1.0,
            ),
            light: 0.97 + seed as f64 * 0.013 % 0.06,
            scratched,
            ..Self::default()
        }
    }
}

/// First column, first row, columns and rows of the scratch on a part that is not moved.
pub const SCRATCH: (f64, f64, f64, f64) = (220.0, 228.0, 52.0, 20.0);

/// The photograph as a PNG file.
pub fn png(shot: Shot) -> Vec<u8> {
    encode(&drawn(shot))
}

pub fn encode(picture: &RgbImage) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner()
}

/// The photograph: each pixel is the mean of four points of the part.
pub fn drawn(shot: Shot) -> RgbImage {
    let mut random = fastrand::Rng::with_seed(shot.seed);
    let (sin, cos) = shot.turned.to_radians().sin_cos();
    let centre = f64::from(SIDE) / 2.0;
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let mut sums = [0.0; 3];
        for (right, down) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
            let (u, v) = (
                f64::from(x) + right - centre - shot.moved.0,
                f64::from(y) + down - centre - shot.moved.1,
            );
            let (u, v) = (cos * u + sin * v + centre, cos * v - sin * u + centre);
            let [red, green, blue] = board(u, v, shot.scratched);
            sums[0] += red / 4.0;
            sums[1] += green / 4.0;
            sums[2] += blue / 4.0;
        }
        let noise: f64 = (0..4).map(|_| random.f64() - 0.5).sum::<f64>() * 3.0;
        Rgb(sums.map(|value| (value * shot.light + noise).round().clamp(0.0, 255.0) as u8))
    })
}

/// The colour of a point of the part. Tests draw many parts, in a build that is little optimised: what is costly is computed
/// near its place only, and without iterators.
fn board(u: f64, v: f64, scratched: bool) -> [f64; 3] {
    let inside = |x: f64, y: f64, width: f64, height: f64| {
        x <= u && y <= v && u < x + width && v < y + height
    };
    let within = |x: f64, y: f64, radius: f64| {
        let (right, down) = (u - x, v - y);
        right * right + down * down < radius * radius
    };
    let (x, y, width, height) = SCRATCH;
    // A bright line from corner to corner of its box, four pixels wide.
    if scratched && inside(x, y, width, height) {
        let along = (u - x) / width;
        if (v - (y + along * height)).abs() < 2.0 {
            return [225.0, 228.0, 232.0];
        }
    }
    // A hole in each corner.
    let x = if u < 180.0 { 40.0 } else { 320.0 };
    let y = if v < 180.0 { 40.0 } else { 320.0 };
    if within(x, y, 12.0) {
        return [40.0; 3];
    }
    if within(x, y, 19.0) {
        return [190.0, 165.0, 70.0];
    }
    for (x, y, width, height) in [
        (90.0, 70.0, 90.0, 60.0),
        (220.0, 90.0, 70.0, 70.0),
        (90.0, 210.0, 60.0, 90.0),
        (190.0, 275.0, 100.0, 40.0),
    ] {
        if inside(x, y, width, height) {
            return if within(x + 9.0, y + 9.0, 4.0) {
                [180.0; 3]
            } else {
                [45.0, 45.0, 52.0]
            };
        }
        if inside(x - 7.0, y, width + 14.0, height) && (v - y) % 12.0 < 6.0 {
            return [200.0, 200.0, 205.0];
        }
    }
    if (60.0..300.0).contains(&u) {
        let mut shift = 0.0;
        for y in [30.0, 150.0, 180.0, 195.0, 335.0] {
            // A trace is bent by 8 pixels at most.
            if (v - y).abs() < 10.0 {
                let bent: f64 = y + 8.0 * ((u + shift) / 50.0).sin();
                if (v - bent).abs() < 2.0 {
                    return [110.0, 160.0, 105.0];
                }
            }
            shift += 40.0;
        }
    }
    let grain = 4.0 * ((u / 3.1).sin() * (v / 2.7).cos() + (u / 11.0 + v / 7.0).sin());
    [30.0 + grain, 105.0 + grain, 60.0 + grain]
}
