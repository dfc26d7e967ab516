//! Against anomalib's own code: `tests/fixtures/inspection/metrics.py` draws the same numbers and writes what it says.

use super::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    width: usize,
    height: usize,
    images: usize,
    image: Vec<ImageCase>,
    pixel: Vec<PixelCase>,
}

#[derive(Deserialize)]
struct ImageCase {
    seed: u32,
    steps: f64,
    auroc: f64,
    f1_max: f64,
    pg2: f64,
    pb2: f64,
    pg5: f64,
    pb5: f64,
}

#[derive(Deserialize)]
struct PixelCase {
    seed: u32,
    au_pro_30: f64,
    au_pro_5: f64,
    au_spro_30: f64,
    au_spro_5: f64,
}

struct Generator(u32);

impl Generator {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        f64::from(self.0 >> 16) / 65536.0
    }
}

fn fixture() -> Fixture {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/inspection/metrics.json");
    serde_json::from_str(&std::fs::read_to_string(file).expect("the fixture is there"))
        .expect("it is JSON")
}

fn close(what: &str, found: Option<f64>, known: f64) {
    let found = found.unwrap_or_else(|| panic!("{what} was not computed"));
    assert!(
        (found - known).abs() < 1e-4,
        "{what}: {found}, anomalib {known}"
    );
}

#[test]
fn measures_of_scores_are_anomalibs() {
    for case in fixture().image {
        let mut random = Generator(case.seed);
        let stepped = |value: f64| (value * case.steps).floor() / case.steps;
        let ok: Vec<_> = (0..90).map(|_| stepped(random.next())).collect();
        let ng: Vec<_> = (0..70)
            .map(|_| stepped(0.35 + 0.65 * random.next()))
            .collect();
        close("AUROC", auroc(&ok, &ng), case.auroc);
        close("F1-max", f1_max(&ok, &ng).map(|best| best.f1), case.f1_max);
        close("PG2", presorted_good(&ok, &ng, 0.02), case.pg2);
        close("PB2", presorted_bad(&ok, &ng, 0.02), case.pb2);
        close("PG5", presorted_good(&ok, &ng, 0.05), case.pg5);
        close("PB5", presorted_bad(&ok, &ng, 0.05), case.pb5);
    }
}

#[test]
fn measures_of_maps_are_anomalibs() {
    let fixture = fixture();
    let (width, height) = (fixture.width, fixture.height);
    for case in fixture.pixel {
        let mut random = Generator(case.seed);
        let (mut whole, mut saturated) = (PixelMeasure::default(), PixelMeasure::default());
        for image in 0..fixture.images {
            let mut masks = Vec::new();
            for _ in 0..image % 4 {
                let x = (random.next() * (width - 12) as f64) as usize;
                let y = (random.next() * (height - 12) as f64) as usize;
                let bottom = y + 3 + (random.next() * 9.0) as usize;
                let right = x + 3 + (random.next() * 9.0) as usize;
                let inside = |pixel: usize| {
                    (x..right).contains(&(pixel % width)) && (y..bottom).contains(&(pixel / width))
                };
                masks.push(
                    (0..width * height)
                        .map(|pixel| u8::from(inside(pixel)) * 255)
                        .collect::<Vec<_>>(),
                );
            }
            let union: Vec<_> = (0..width * height)
                .map(|pixel| masks.iter().map(|mask| mask[pixel]).max().unwrap_or(0))
                .collect();
            let value = |mask: &u8| {
                ((random.next() + 0.3 * f64::from(u8::from(*mask != 0))) * 256.0).floor() / 256.0
            };
            let map: Vec<_> = union.iter().map(value).map(|value| value as f32).collect();
            whole
                .add(&map, &union, width, height)
                .expect("the sizes are equal");
            let masks: Vec<_> = masks
                .iter()
                .map(|mask| (mask.as_slice(), Saturation::Share(0.8)))
                .collect();
            saturated
                .add_saturated(&map, &masks, width, height)
                .expect("the sizes are equal");
        }
        close("AU-PRO 0.3", whole.area(0.3), case.au_pro_30);
        close("AU-PRO 0.05", whole.area(0.05), case.au_pro_5);
        close("AU-sPRO 0.3", saturated.area(0.3), case.au_spro_30);
        close("AU-sPRO 0.05", saturated.area(0.05), case.au_spro_5);
    }
}

#[test]
fn a_map_of_another_size_or_without_numbers_is_refused() {
    let mut measure = PixelMeasure::default();
    let message = measure
        .add(&[0.0; 5], &[0; 6], 3, 2)
        .expect_err("five pixels")
        .to_string();
    assert!(
        message.starts_with("the map has 5 pixels, the image has 6"),
        "{message}"
    );
    assert_eq!(
        measure.add(&[f32::NAN; 6], &[0; 6], 3, 2),
        Err(PixelMeasureError::NotANumber(0))
    );
    assert_eq!((measure.regions(), measure.area(0.3)), (0, None));
}
