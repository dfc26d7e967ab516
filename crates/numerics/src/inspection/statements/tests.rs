//! Statements about drawn vectors.

use super::*;
use proptest::prelude::*;

/// Axes: 0 what all pictures are, 1 a scratch, 2 a missing part.
fn case<'a>(patches: Option<ChangedPatches<'a>>) -> Pictures<'a> {
    Pictures {
        picture: &[0.9, 0.4, 0.1, 0.0],
        reference: &[0.95, 0.0, 0.1, 0.0],
        patches,
        second_look: Some((&[0.5, 0.8, 0.0, 0.0], &[0.9, 0.1, 0.0, 0.0])),
    }
}

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
    let (before, after) = (
        [1.0, 0.0, 0.0, 0.0].repeat(3),
        [
            [1.0, 0.0, 0.0, 0.0],
            [0.6, 0.7, 0.0, 0.0],
            [1.0, 0.0, 0.1, 0.0],
        ]
        .concat(),
    );
    let patches = ChangedPatches {
        picture: &after,
        reference: &before,
        change: &[0.0, 3.0, 0.2],
    };
    for reference_text in [Some(OK.as_slice()), None] {
        let found = features(&case(Some(patches)), &statements(reference_text))
            .expect("the lengths are equal");
        for (index, feature) in Feature::ALL.iter().enumerate() {
            let value = |statement: usize| found[statement][index].expect("all vectors are given");
            let not_of_reference = *feature == Feature::NotOfReference;
            assert!(
                value(1) > value(2) || not_of_reference,
                "{}",
                feature.name()
            );
        }
        let sums = standardised_sums(&found);
        assert!(sums[1] > sums[0] && sums[1] > sums[2], "{sums:?}");
    }
    let less = features(&case(None), &statements(Some(&OK))).expect("the lengths are equal");
    assert_eq!((less[1][2], less[1][3]), (None, None));
    // Nothing can be said of "nothing changed" by a direction of length 0.
    assert_eq!(less[0][1], Some(0.0));
    assert!(less[1][4] > less[0][4]);
}

#[test]
fn weights_make_a_probability() {
    let term = |weight| Term {
        mean: 0.1,
        spread: 0.2,
        weight,
    };
    let logistic = Logistic {
        bias: -1.0,
        terms: [1.0, 2.0, 0.0, 0.0, 0.5, 0.0].map(term),
    };
    let sum: f64 = -1.0 + 1.0 * 0.5 + 2.0 * 2.0 + 0.5 * -0.5;
    let features = [Some(0.2), Some(0.5), None, Some(7.0), Some(0.0), None];
    assert!((logistic.probability(&features) - 1.0 / (1.0 + (-sum).exp())).abs() < 1e-12);
    assert_eq!(standardised_sums(&[features]), [0.0]);
}

#[test]
fn vectors_that_do_not_fit_are_refused() {
    let mut pictures = case(None);
    pictures.reference = &[1.0];
    let error = features(&pictures, &[]).expect_err("too short");
    assert_eq!(
        error.to_string(),
        "the embedding of the reference must hold 4 numbers, it holds 1"
    );
    let text = [f32::NAN, 0.0, 0.0, 0.0];
    assert!(
        features(
            &case(None),
            &[Statement {
                text: &text,
                reference_text: None
            }]
        )
        .is_err()
    );
    let patches = ChangedPatches {
        picture: &[1.0; 4],
        reference: &[1.0; 8],
        change: &[1.0],
    };
    assert!(features(&case(Some(patches)), &[]).is_err());
}

proptest! {
    #[test]
    fn every_vector_has_finite_features(numbers in prop::collection::vec(-1e30_f32..1e30, 16), zero in 0_usize..5) {
        let vectors: Vec<Vec<f32>> = numbers.chunks(4).enumerate()
            .map(|(index, vector)| if index == zero { vec![0.0; 4] } else { vector.to_vec() }).collect();
        let pictures = Pictures { picture: &vectors[0], reference: &vectors[1], patches: None, second_look: None };
        let found = features(&pictures, &[Statement { text: &vectors[2], reference_text: Some(&vectors[3]) }]).expect("finite");
        prop_assert!(found[0].iter().flatten().all(|value| value.is_finite() && value.abs() <= 2.1));
    }
}
