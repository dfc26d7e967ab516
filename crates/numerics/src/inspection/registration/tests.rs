//! Pictures whose position is known: `tests/fixtures/inspection/registration.py` makes them.

use super::*;
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    turn: f64,
    scale: f64,
    shift: (f64, f64),
    skimage_shift: (f64, f64),
    skimage_ssim: f64,
}

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/inspection")
}

fn cases() -> Vec<Case> {
    let file =
        std::fs::read_to_string(folder().join("registration.json")).expect("the fixture is there");
    serde_json::from_str(&file).expect("it is JSON")
}

fn picture(name: &str) -> GreyImage {
    let file = std::fs::File::open(folder().join(format!("registration/{name}.png")))
        .expect("the picture is there");
    let mut reader = png::Decoder::new(std::io::BufReader::new(file))
        .read_info()
        .expect("it is a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("it is small")];
    let info = reader.next_frame(&mut bytes).expect("it is whole");
    let values = bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect();
    GreyImage::new(info.width as usize, info.height as usize, values).expect("it has pixels")
}

fn reference() -> RegistrationReference {
    RegistrationReference::new(&picture("reference"), RegistrationSettings::default())
        .expect("the settings are valid")
}

#[test]
fn settings_that_do_not_correct_leave_every_picture_where_it_is() {
    let settings = RegistrationSettings {
        corrects: false,
        pose_below: -1.0,
        ..RegistrationSettings::default()
    };
    let first = picture("reference");
    let reference = RegistrationReference::new(&first, settings).expect("the settings are valid");
    for case in cases() {
        let found = reference
            .register(&picture(&case.name))
            .expect("the sizes are equal");
        let identity = (RegistrationStatus::Identity, Transform::IDENTITY);
        assert_eq!((found.status, found.transform), identity, "{}", case.name);
        assert!((found.score - found.unaligned_score).abs() < 1e-12);
    }
}

#[test]
fn known_motions_are_found_within_a_fifth_of_a_pixel_and_of_a_degree() {
    let reference = reference();
    for case in cases().iter().filter(|case| !case.name.starts_with("pose")) {
        let found = reference
            .register(&picture(&case.name))
            .expect("the sizes are equal");
        let (width, height) = (reference.size.0 as f64 - 1.0, reference.size.1 as f64 - 1.0);
        let known = Transform::similarity(
            case.turn,
            case.scale,
            case.shift,
            (width / 2.0, height / 2.0),
        );
        let corners = [
            (0.0, 0.0),
            (width, 0.0),
            (0.0, height),
            (width, height),
            (width / 2.0, height / 2.0),
        ];
        let off = corners.map(|(x, y)| {
            let (a, b) = (known.apply(x, y), found.transform.apply(x, y));
            (a.0 - b.0).hypot(a.1 - b.1)
        });
        let worst = off.into_iter().fold(0.0, f64::max);
        let degrees = (found.transform.degrees() - case.turn).abs();
        println!(
            "{:9} {worst:.3} px {degrees:.3} degrees, {:.3} -> {:.3}",
            case.name, found.unaligned_score, found.score
        );
        let status = if case.name == "same" {
            RegistrationStatus::Identity
        } else {
            RegistrationStatus::Aligned
        };
        assert_eq!(found.status, status, "{}", case.name);
        assert!(
            worst <= 0.2 && degrees <= 0.2,
            "{}: {worst} px, {degrees} degrees",
            case.name
        );
        if case.turn == 0.0 && case.scale == 1.0 {
            let (x, y) = (found.transform.0[0][2], found.transform.0[1][2]);
            assert!(
                (x - case.skimage_shift.0).abs() < 0.2 && (y - case.skimage_shift.1).abs() < 0.2,
                "{}",
                case.name
            );
        }
    }
}

#[test]
fn a_part_that_is_turned_too_far_is_another_pose() {
    let reference = reference();
    for case in cases().iter().filter(|case| case.name.starts_with("pose")) {
        let found = reference
            .register(&picture(&case.name))
            .expect("the sizes are equal");
        println!(
            "{:9} {:.1} degrees, {:.3} -> {:.3}",
            case.name,
            found.transform.degrees(),
            found.unaligned_score,
            found.score
        );
        assert_eq!(found.status, RegistrationStatus::Pose, "{}", case.name);
    }
}

#[test]
fn the_similarity_is_scikit_images() {
    let reference = picture("reference");
    for case in cases() {
        let other = picture(&case.name);
        let found = ssim::ssim(reference.values(), other.values(), reference.width(), None)
            .expect("it has windows");
        assert!(
            (found - case.skimage_ssim).abs() < 1e-6,
            "{}: {found}, {}",
            case.name,
            case.skimage_ssim
        );
    }
}

#[test]
fn pictures_that_cannot_be_aligned_have_a_defined_answer() {
    let black = |width: usize, height: usize| {
        GreyImage::new(width, height, vec![0.0; width * height]).expect("pixels")
    };
    for (width, height) in [(1, 1), (1, 300), (300, 1), (5, 5), (640, 480)] {
        let reference =
            RegistrationReference::new(&black(width, height), RegistrationSettings::default())
                .expect("valid");
        let found = reference
            .register(&black(width, height))
            .expect("the sizes are equal");
        assert_eq!(
            (found.status, found.score),
            (RegistrationStatus::Identity, 1.0),
            "{width}x{height}"
        );
    }
    let reference = reference();
    let found = reference
        .register(&black(240, 200))
        .expect("the sizes are equal");
    assert_eq!(
        (found.status, found.transform),
        (RegistrationStatus::Pose, Transform::IDENTITY)
    );
    let message = reference
        .register(&black(1, 1))
        .expect_err("another size")
        .to_string();
    assert_eq!(
        message,
        "the picture must have the shape 240x200 of its reference, it has 1x1"
    );
    assert!(
        GreyImage::new(0, 5, vec![]).is_err() && GreyImage::new(2, 1, vec![0.0, f32::NAN]).is_err()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever the pixels and the size, the answer is finite, and a picture is like itself.
    #[test]
    fn noise_has_an_answer(width in 1_usize..70, height in 1_usize..70, seed in 1_u64..u64::MAX) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut noise = || GreyImage::new(width, height, (0..width * height).map(|_| random.f32()).collect()).expect("pixels");
        let (first, second) = (noise(), noise());
        let reference = RegistrationReference::new(&first, RegistrationSettings::default()).expect("valid");
        let found = reference.register(&second).expect("equal sizes");
        prop_assert!(found.score.is_finite() && found.transform.0.iter().flatten().all(|number| number.is_finite()));
        let same = reference.register(&first).expect("equal sizes");
        prop_assert_eq!(same.status, RegistrationStatus::Identity);
        prop_assert!((same.score - 1.0).abs() < 1e-6);
    }
}
