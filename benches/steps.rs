//! Microbenchmarks of the steps between a request and an encoder: `cargo bench`. Each measures the time of one thread.

use std::hint::black_box;
use std::path::Path;

use clip_in::bundle::Bundle;
use clip_in::preprocess::{
    Interpolation, Limits, Pixels, RgbImage, Window, decode, preprocess, resize_window,
};
use clip_in::runtime::{fill_images, fill_texts};
use clip_in::tokenize::TextTokenizer;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const FULL_HD: (u16, u16) = (1920, 1080);
const MODEL_SIDE: usize = 224;

/// A JPEG (quality 90, 4:2:0) with edges and noise, about 700 KB like a camera's.
fn full_hd_jpeg() -> Vec<u8> {
    let (width, height) = FULL_HD;
    let mut seed = 1_u32;
    let mut pixels = Vec::with_capacity(usize::from(width) * usize::from(height) * 3);
    for y in 0..u32::from(height) {
        for x in 0..u32::from(width) {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (seed >> 27) as u8;
            let edge = if (x / 90 + y / 70) % 2 == 0 { 60 } else { 0 };
            pixels.extend([
                (x / 10) as u8 / 2 + edge + noise,
                (y / 6) as u8 / 2 + edge + noise,
                90 + noise,
            ]);
        }
    }
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 90);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder
        .encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb)
        .expect("a JPEG");
    file
}

fn demo() -> Bundle {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo");
    Bundle::open(&path).expect("the demo bundle")
}

fn images(criterion: &mut Criterion) {
    let file = full_hd_jpeg();
    let limits = Limits::default();
    let image = decode(&file, &limits, false).expect("a picture");
    let mut group = criterion.benchmark_group("1920x1080");
    group.throughput(Throughput::Bytes(file.len() as u64));
    group.bench_function("decode a JPEG", |b| {
        b.iter(|| decode(black_box(&file), &limits, false))
    });
    group.bench_function("resize and crop to 224x224", |b| {
        b.iter(|| to_model_side(black_box(&image)))
    });
    let spec = demo().manifest.image.spec().expect("a specification");
    group.bench_function("both, for the demo model's 128x128", |b| {
        b.iter(|| preprocess(black_box(&file), &limits, &spec))
    });
    group.finish();
}

fn to_model_side(image: &RgbImage) -> RgbImage {
    let width = MODEL_SIDE * usize::from(FULL_HD.0) / usize::from(FULL_HD.1);
    let window = Window {
        x: (width - MODEL_SIDE) / 2,
        y: 0,
        width: MODEL_SIDE,
        height: MODEL_SIDE,
    };
    resize_window(image, width, MODEL_SIDE, window, Interpolation::Bicubic)
}

fn texts(criterion: &mut Criterion) {
    let tokenizer = TextTokenizer::load(&demo()).expect("a tokenizer");
    let mut group = criterion.benchmark_group("tokenise");
    let short = "a red bolt to the left of two blue mugs";
    group.bench_function("10 words", |b| {
        b.iter(|| tokenizer.encode(black_box(short)))
    });
    let long = [short; 10].join(", ");
    group.bench_function("100 words", |b| {
        b.iter(|| tokenizer.encode(black_box(&long)))
    });
    group.finish();
}

fn assembly(criterion: &mut Criterion) {
    let item = MODEL_SIDE * MODEL_SIDE * 3;
    let pixels: Vec<_> = (0..8).map(|i| Pixels::U8(vec![i; item])).collect();
    let pixels: Vec<_> = pixels.iter().collect();
    let ids = vec![7_u32; 12];
    let texts = vec![ids.as_slice(); 32];
    let mut group = criterion.benchmark_group("batch");
    group.bench_function("8 images of 224x224", |b| {
        b.iter_batched_ref(
            || vec![0_u8; 8 * item],
            |values| fill_images(black_box(&pixels), item, values, bytes),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("32 texts of 12 tokens", |b| {
        b.iter_batched_ref(
            || vec![0_i64; 32 * 12],
            |values| fill_texts(black_box(&texts), 12, 0, values),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn bytes(pixels: &Pixels) -> Option<&[u8]> {
    match pixels {
        Pixels::U8(values) => Some(values),
        Pixels::F32(_) => None,
    }
}

criterion_group!(steps, images, texts, assembly);
criterion_main!(steps);
