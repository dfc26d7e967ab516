//! Statements about drawn vectors.

use super::*;
use proptest::prelude::*;

/// Axes: 0 what all pictures are, 1 a scratch, 2 a missing part.
const CASE: Pictures<'static> = Pictures {
    picture: &[0.9, 0.4, 0.1, 0.0],
    reference: &[0.95, 0.0, 0.1, 0.0],
};

const OK: [f32; 4] = [1.0, 0.0, 0.0, 0.3];
const SCRATCH: [f32; 4] = [0.8, 0.5, 0.0, 0.3];
const MISSING: [f32; 4] = [0.8, 0.0, 0.5, 0.3];

fn statements(reference_text: Option<&[f32]>) -> Vec<Statement<'_>> {
    [&OK, &SCRATCH, &MISSING]
        .map(|text| Statement {
            text,
            reference_text,
        })
        .to_vec()
}

#[test]
fn the_true_statement_is_first_by_every_feature() {
    for reference_text in [Some(OK.as_slice()), None] {
        let found = features(&CASE, &statements(reference_text)).expect("the lengths are equal");
        for feature in [
            Feature::TextDifference,
            Feature::Direction,
            Feature::ChangeAlong,
        ] {
            let value = |statement: usize| found[statement][feature as usize];
            assert!(value(1) > value(2), "{}", feature.name());
        }
        let sums = standardised_sums(&found);
        assert!(sums[1] > sums[0] && sums[1] > sums[2], "{sums:?}");
        assert_eq!(scores(&found, None), sums);
    }
    let found = features(&CASE, &statements(Some(&OK))).expect("the lengths are equal");
    // "Nothing has changed": all differences are 0, and that is said.
    assert_eq!(found[0], [0.0, 0.0, 0.0, 0.0, 1.0]);
    // The same text from another batch has nearly the same vector.
    let again = OK.map(|value| value + 1e-5);
    let nearly = features(&CASE, &statements(Some(&again))).expect("the lengths are equal");
    assert_eq!(nearly[0], found[0]);
    assert_eq!(found[1][Feature::Same as usize], 0.0);
    // The length of the change along a direction is that of the change times its cosine.
    let change = ((0.9_f64 - 0.95).powi(2) + 0.4_f64.powi(2)).sqrt();
    let direction = found[1][Feature::Direction as usize];
    assert!((found[1][Feature::ChangeAlong as usize] / direction - change).abs() < 0.05);
}

#[test]
fn weights_let_nothing_win_only_where_nothing_moved() {
    let weights = Weights([3.0, 1.0, 20.0, 0.0, 2.0]);
    let changed = features(&CASE, &statements(Some(&OK))).expect("the lengths are equal");
    let still = Pictures {
        picture: &[0.95, 0.001, 0.1, 0.0],
        ..CASE
    };
    let still = features(&still, &statements(Some(&OK))).expect("the lengths are equal");
    let best = |found: &[Features]| {
        let scores = scores(found, Some(&weights));
        (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
    };
    assert_eq!((best(&changed), best(&still)), (Some(1), Some(0)));
    let sum = 3.0 * 0.2 + 1.0 * 0.5 - 20.0 * 0.1 + 2.0;
    assert!((weights.score(&[0.2, 0.5, -0.1, 7.0, 1.0]) - sum).abs() < 1e-12);
}

#[test]
fn vectors_that_do_not_fit_are_refused() {
    let pictures = Pictures {
        reference: &[1.0],
        ..CASE
    };
    let error = features(&pictures, &[]).expect_err("too short");
    assert_eq!(
        error.to_string(),
        "the embedding of the reference must hold 4 numbers, it holds 1"
    );
    let text = [f32::NAN, 0.0, 0.0, 0.0];
    assert!(
        features(
            &CASE,
            &[Statement {
                text: &text,
                reference_text: None
            }]
        )
        .is_err()
    );
}

proptest! {
    #[test]
    fn every_vector_has_finite_features(numbers in prop::collection::vec(-1e30_f32..1e30, 16), zero in 0_usize..5) {
        let vectors: Vec<Vec<f32>> = numbers.chunks(4).enumerate()
            .map(|(index, vector)| if index == zero { vec![0.0; 4] } else { vector.to_vec() }).collect();
        let pictures = Pictures { picture: &vectors[0], reference: &vectors[1] };
        let found = features(&pictures, &[Statement { text: &vectors[2], reference_text: Some(&vectors[3]) }]).expect("finite");
        prop_assert!(found[0].iter().all(|value| value.is_finite() && value.abs() <= 2.1));
    }
}
