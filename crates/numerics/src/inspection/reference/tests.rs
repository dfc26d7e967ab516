//! Textures with known changes.

use super::*;
use crate::inspection::{FeatureMap, InspectionError, Shape};
use proptest::prelude::*;

const SHAPE: Shape = Shape {
    channels: 6,
    height: 24,
    width: 30,
};

/// A texture of six mixed channels; `change` gets channel, row, column and value.
fn texture(seed: u64, change: impl Fn(usize, usize, usize, f32) -> f32) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    let patches = SHAPE.height * SHAPE.width;
    let mut normal = || (0..6).map(|_| random.f32() - 0.5).sum::<f32>();
    let sources: Vec<Vec<f32>> = (0..SHAPE.channels)
        .map(|_| (0..patches).map(|_| normal()).collect())
        .collect();
    let mut values = Vec::with_capacity(SHAPE.channels * patches);
    for channel in 0..SHAPE.channels {
        let beside = &sources[(channel + 1) % SHAPE.channels];
        for (patch, (own, beside)) in sources[channel].iter().zip(beside).enumerate() {
            let (row, column) = (patch / SHAPE.width, patch % SHAPE.width);
            let mixed = own + 0.6 * beside + channel as f32;
            values.push(change(channel, row, column, mixed));
        }
    }
    values
}

fn ok(seed: u64) -> Vec<f32> {
    texture(seed, |_, _, _, value| value)
}

/// A small place where one channel is off by three standard deviations.
fn scratch(seed: u64) -> Vec<f32> {
    texture(seed, |channel, row, column, value| {
        value
            + if channel == 2 && (8..12).contains(&row) && (20..23).contains(&column) {
                2.5
            } else {
                0.0
            }
    })
}

/// The whole picture with less contrast, in which no patch is out of range.
fn faded(seed: u64) -> Vec<f32> {
    texture(seed, |channel, _, _, value| {
        if channel < 2 {
            channel as f32 + (value - channel as f32) * 0.8
        } else {
            value
        }
    })
}

fn all_parts() -> LayerSettings {
    LayerSettings {
        residual: true,
        shift: true,
        places: true,
        memory: Some(MemorySettings::default()),
        ..LayerSettings::default()
    }
}

fn fitted(images: &[Vec<f32>], settings: LayerSettings) -> OkStatistics {
    let mut known = OkStatistics::new(&[(settings, SHAPE)]).expect("valid settings");
    extend(&mut known, images);
    known
}

fn extend(known: &mut OkStatistics, images: &[Vec<f32>]) {
    let mut numbers = Vec::new();
    for image in images {
        numbers.push(with(image, |features| {
            known.learn(&[*features]).expect("the shape is right")
        }));
    }
    for (image, number) in images.iter().zip(numbers) {
        with(image, |features| {
            known
                .hold_out(number, &[*features])
                .expect("the shape is right")
        });
    }
}

fn with<T>(image: &[f32], run: impl FnOnce(&ImageFeatures<'_>) -> T) -> T {
    let layers = [FeatureMap::new(SHAPE, image).expect("finite")];
    run(&ImageFeatures {
        layers: &layers,
        keep: None,
    })
}

fn compared(model: &ReferenceModel, image: &[f32]) -> Comparison {
    with(image, |features| {
        model.compare(features).expect("the shape is right")
    })
}

#[test]
fn local_changes_stand_out_after_one_image_and_global_ones_after_ten() {
    for (references, changes) in [
        (1, vec![scratch as fn(u64) -> Vec<f32>]),
        (10, vec![scratch, faded]),
    ] {
        let images: Vec<_> = (100..100 + references).map(ok).collect();
        let model = fitted(&images, all_parts())
            .fit()
            .expect("there are images");
        let scores = |of: fn(u64) -> Vec<f32>| {
            (0..20)
                .map(|seed| compared(&model, &of(seed)).score)
                .collect::<Vec<_>>()
        };
        let nominal = scores(ok);
        for changed in changes {
            let auroc =
                crate::inspection::metrics::auroc(&nominal, &scores(changed)).expect("both kinds");
            println!("{references} images: AUROC {auroc:.3}");
            assert!(auroc > 0.95, "{auroc} with {references} images");
        }
    }
}

#[test]
fn the_map_is_highest_at_the_scratch_and_hardly_colours_ok_pictures() {
    let images: Vec<_> = (100..110).map(ok).collect();
    let model = fitted(&images, LayerSettings::default())
        .fit()
        .expect("there are images");
    for seed in 0..10 {
        let map = &compared(&model, &scratch(seed)).maps[0];
        let best = (0..map.values.len())
            .max_by(|a, b| map.values[*a].partial_cmp(&map.values[*b]).expect("finite"));
        let (row, column) = map.grid.at(best.expect("there are patches"));
        assert!(
            (7..13).contains(&row) && (19..24).contains(&column),
            "row {row}, column {column}"
        );
        assert!(map.values.iter().flatten().any(|value| *value > 1.5));
    }
    let values: Vec<_> = (0..20)
        .flat_map(|seed| compared(&model, &ok(seed)).maps[0].values.clone())
        .flatten()
        .collect();
    let coloured = values.iter().filter(|value| **value > 1.0).count();
    assert!(
        coloured * 100 < values.len(),
        "{coloured} of {}",
        values.len()
    );
}

#[test]
fn images_that_are_added_later_count_as_if_they_had_been_there() {
    let images: Vec<_> = (100..130).map(ok).collect();
    let at_once = fitted(&images, all_parts());
    let mut later = fitted(&images[..10], all_parts());
    extend(&mut later, &images[10..]);
    assert_eq!(later.images(), 30);
    let difference = &at_once.layers[0].moments.products - &later.layers[0].moments.products;
    assert!(difference.iter().all(|value| value.abs() < 1e-6));
    let probe = scratch(7);
    let (a, b) = (
        compared(&at_once.fit().expect("images"), &probe),
        compared(&later.fit().expect("images"), &probe),
    );
    assert_eq!(a.maps[0].values.len(), b.maps[0].values.len());
    assert_eq!((a.rank, b.rank), (1.0, 1.0));
    assert!(
        later.layers[0]
            .memory
            .as_ref()
            .is_some_and(|memory| memory.len() <= 1024)
    );
}

#[test]
fn masks_leave_patches_out() {
    let images: Vec<_> = (100..104).map(ok).collect();
    let model = fitted(&images, LayerSettings::default())
        .fit()
        .expect("there are images");
    let image = scratch(3);
    let layers = [FeatureMap::new(SHAPE, &image).expect("finite")];
    let grid = Grid::new(SHAPE, &Sampling::default());
    let outside = |position| {
        let (row, column) = grid.at(position);
        !((7..13).contains(&row) && (19..24).contains(&column))
    };
    let keep = [(0..grid.len()).map(outside).collect::<Vec<_>>()];
    let masked = model
        .compare(&ImageFeatures {
            layers: &layers,
            keep: Some(&keep),
        })
        .expect("patches remain");
    let whole = model
        .compare(&ImageFeatures {
            layers: &layers,
            keep: None,
        })
        .expect("all patches");
    assert!(masked.parts[0].deviation + 3.0 < whole.parts[0].deviation);
    assert_eq!(
        masked.maps[0].values.iter().flatten().count(),
        keep[0].iter().filter(|kept| **kept).count()
    );
    let nothing = [vec![false; grid.len()]];
    let error = model
        .compare(&ImageFeatures {
            layers: &layers,
            keep: Some(&nothing),
        })
        .expect_err("nothing remains");
    assert!(matches!(error, InspectionError::Mask(_)), "{error}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let known = fitted(&[ok(1)], LayerSettings::default());
    let shape = Shape { width: 15, ..SHAPE };
    let values = vec![0.0; 6 * 24 * 15];
    let layers = [FeatureMap::new(shape, &values).expect("finite")];
    let error = known
        .fit()
        .expect("an image")
        .compare(&ImageFeatures {
            layers: &layers,
            keep: None,
        })
        .expect_err("narrow");
    assert_eq!(
        error.to_string(),
        "a feature map must have the shape [6, 24, 30] of the reference, it has [6, 24, 15]"
    );
    assert!(matches!(
        OkStatistics::new(&[(LayerSettings::default(), SHAPE)])
            .expect("valid")
            .fit(),
        Err(InspectionError::NoReference)
    ));
    assert!(
        OkStatistics::new(&[(
            LayerSettings {
                ridge: -1.0,
                ..LayerSettings::default()
            },
            SHAPE
        )])
        .is_err()
    );
    let mut infinite = ok(1);
    infinite[77] = f32::INFINITY;
    assert_eq!(
        FeatureMap::new(SHAPE, &infinite).expect_err("not finite"),
        InspectionError::NotFinite {
            what: "a feature map",
            at: 77
        }
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Maps of any size, constant and huge numbers among them: every score is a finite number, and the same again.
    #[test]
    fn every_map_has_a_finite_score(
        channels in 1_usize..5, height in 1_usize..9, width in 1_usize..9, images in 1_usize..4,
        size in prop::sample::select(vec![0.0_f32, 1e-20, 1.0, 1e4, 1e30]), seed in 1_u64..9999,
    ) {
        let shape = Shape { channels, height, width };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut drawn = || (0..channels * height * width).map(|_| (random.f32() - 0.5) * size).collect::<Vec<_>>();
        let references: Vec<_> = (0..images).map(|_| drawn()).collect();
        let mut known = OkStatistics::new(&[(all_parts(), shape)]).expect("valid");
        for turn in 0..2 {
            for (number, image) in references.iter().enumerate() {
                let layers = [FeatureMap::new(shape, image).expect("finite")];
                let features = ImageFeatures { layers: &layers, keep: None };
                if turn == 0 {
                    known.learn(&[features]).expect("fits");
                } else {
                    known.hold_out(number as u32, &[features]).expect("fits");
                }
            }
        }
        let model = known.fit().expect("images");
        let probe = drawn();
        let layers = [FeatureMap::new(shape, &probe).expect("finite")];
        let features = ImageFeatures { layers: &layers, keep: None };
        let first = model.compare(&features).expect("fits");
        prop_assert!(first.score.is_finite() && first.parts.iter().all(|part| part.deviation.is_finite()));
        prop_assert_eq!(first, model.compare(&features).expect("fits"));
    }
}
