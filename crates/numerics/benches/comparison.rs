//! Microbenchmarks of a comparison's own steps, without encoders: `cargo bench -p clip-in-numerics`. Each measures the time of
//! one thread, with maps of the size that the shipped model's features have at 448 x 448 pixels.

use std::hint::black_box;

use clip_in_numerics::inspection::layer_map::LayerMap;
use clip_in_numerics::inspection::reference::{
    ImageFeatures, LayerSettings, MemorySettings, OkStatistics, ReferenceModel, Sampling,
};
use clip_in_numerics::inspection::registration::{
    GreyImage, RegistrationReference, RegistrationSettings,
};
use clip_in_numerics::inspection::text_map::Placed;
use clip_in_numerics::inspection::{FeatureMap, Rgb, Shape, Transform};
use criterion::{Criterion, criterion_group, criterion_main};

const SIDE: usize = 448;
/// Channels and stride.
const LAYERS: [(usize, usize); 3] = [(144, 4), (40, 8), (112, 16)];
const IMAGES: u64 = 10;

fn shape((channels, stride): (usize, usize)) -> Shape {
    Shape {
        channels,
        height: SIDE / stride,
        width: SIDE / stride,
    }
}

/// As `clip-in` compares parts that lie still, or that lie anywhere.
fn settings((_, stride): (usize, usize), lies_still: bool) -> LayerSettings {
    let is_coarsest = stride == 16;
    LayerSettings {
        sampling: Sampling {
            clamp: (stride <= 4).then_some((0.0, 6.0)),
            ..Sampling::default()
        },
        distribution: is_coarsest,
        shift: is_coarsest,
        places: is_coarsest && lies_still,
        memory: is_coarsest.then(|| MemorySettings {
            window: lies_still.then_some(3),
            ..MemorySettings::default()
        }),
        ..LayerSettings::default()
    }
}

/// Numbers that differ from place to place in every picture alike, and a little from picture to picture.
fn features(seed: u64) -> Vec<Vec<f32>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let one = |layer: &(usize, usize)| {
        let Shape {
            channels,
            height,
            width,
        } = shape(*layer);
        let at = |index: usize| ((index % 37) as f32 * 0.7 + (index % 101) as f32 * 0.3).sin();
        let mut noise = || random.f32() + random.f32() - 1.0;
        (0..channels * height * width)
            .map(|index| 2.0 + at(index) + 0.3 * noise())
            .collect()
    };
    LAYERS.iter().map(one).collect()
}

fn with<T>(features: &[Vec<f32>], action: impl FnOnce(&ImageFeatures<'_>) -> T) -> T {
    let maps = LAYERS.iter().zip(features);
    let maps: Vec<_> = maps
        .map(|(layer, values)| FeatureMap::new(shape(*layer), values).expect("a map"))
        .collect();
    action(&ImageFeatures {
        layers: &maps,
        keep: None,
    })
}

fn model(lies_still: bool) -> ReferenceModel {
    let layers = LAYERS.map(|layer| (settings(layer, lies_still), shape(layer)));
    let mut known = OkStatistics::new(&layers).expect("valid settings");
    let images: Vec<_> = (0..IMAGES).map(features).collect();
    for image in &images {
        with(image, |features| known.learn(&[*features])).expect("an image");
    }
    for (number, image) in images.iter().enumerate() {
        with(image, |features| {
            known.hold_out(number as u32, &[*features])
        })
        .expect("an image");
    }
    known.fit().expect("enough images")
}

fn comparison(criterion: &mut Criterion) {
    let asked = features(99);
    let mut group = criterion.benchmark_group("comparison");
    group.sample_size(30);
    group.bench_function("check features", |b| {
        b.iter(|| with(black_box(&asked), |_| ()));
    });
    for (name, lies_still) in [("anywhere", false), ("still", true)] {
        let model = model(lies_still);
        group.bench_function(format!("features to scores, {name}"), |b| {
            b.iter(|| with(black_box(&asked), |features| model.compare(features)));
        });
    }
    let model = model(true);
    let compared = with(&asked, |features| model.compare(features)).expect("it fits");
    for (name, transform) in [("upright", Transform::IDENTITY), ("turned", turned())] {
        let placed = Placed {
            posted: (640, 480),
            input: (SIDE, SIDE),
            to_input: Transform::resize((640, 480), (SIDE, SIDE)).then(&transform),
        };
        let map = LayerMap::new(compared.maps.clone(), placed).expect("places");
        group.bench_function(format!("regions, {name}"), |b| {
            b.iter(|| black_box(&map).regions());
        });
    }
    group.finish();
}

fn turned() -> Transform {
    let middle = (SIDE as f64 - 1.0) / 2.0;
    Transform::similarity(2.0, 1.01, (3.0, -2.0), (middle, middle))
}

fn picture(seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let at = |pixel: usize, channel: usize| {
        let (x, y) = (pixel % SIDE, pixel / SIDE);
        let edge = if (x / 60 + y / 45) % 2 == 0 { 70 } else { 0 };
        (x * 5 / 16 + y / 8 + channel * 9 + edge) as u8 / 2
    };
    (0..SIDE * SIDE * 3)
        .map(|index| at(index / 3, index % 3) + random.u8(0..16))
        .collect()
}

fn alignment(criterion: &mut Criterion) {
    let (first, second) = (picture(1), picture(2));
    let rgb = Rgb::new(SIDE, SIDE, &second).expect("a picture");
    let grey = |rgb: &Rgb<'_>| GreyImage::new(SIDE, SIDE, rgb.grey().collect()).expect("grey");
    let own = Rgb::new(SIDE, SIDE, &first).expect("a picture");
    let reference =
        RegistrationReference::new(&grey(&own), RegistrationSettings::default()).expect("settings");
    let mut group = criterion.benchmark_group("alignment");
    group.sample_size(30);
    group.bench_function("to grey", |b| b.iter(|| grey(black_box(&rgb))));
    let (moved, _) = rgb.warped(&turned());
    let moved = grey(&Rgb::new(SIDE, SIDE, &moved).expect("a picture"));
    for (name, picture) in [("still", grey(&rgb)), ("moved", moved)] {
        group.bench_function(format!("register, {name}"), |b| {
            b.iter(|| reference.register(black_box(&picture)));
        });
    }
    group.bench_function("warp the picture", |b| {
        b.iter(|| rgb.warped(black_box(&turned())))
    });
    group.finish();
}

criterion_group!(steps, comparison, alignment);
criterion_main!(steps);
