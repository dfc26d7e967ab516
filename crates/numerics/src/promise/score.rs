//! Scores of parts. High is like NG.

use std::cmp::Ordering;

/// A score: a finite number, so that scores have one order. −0 is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score(f64);

/// Why numbers are not the score of a part.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ScoreError {
    /// A part has at least one image.
    #[error("the part has no score: give the scores of its images or views, at least one")]
    NoImage,
    /// The images are counted from 0.
    #[error("the score of image {image} of the part is {value}: scores are finite numbers")]
    NotFinite {
        /// Which image, from 0.
        image: usize,
        /// What was given.
        value: f64,
    },
}

impl Score {
    /// A finite number, or `None`. The two largest numbers of an `f64` are refused too: a threshold lies beyond each
    /// score.
    pub fn new(value: f64) -> Option<Self> {
        (value.abs() < f64::MAX).then_some(Self(value + 0.0))
    }

    /// The score of a part: the highest of its images or views. A part is defective if one view of it is.
    ///
    /// # Errors
    /// If there is no image, or one of the scores is not a finite number. The maximum of the others would be a guess.
    pub fn of_part(images: &[f64]) -> Result<Self, ScoreError> {
        let mut highest: Option<Self> = None;
        for (image, value) in images.iter().enumerate() {
            let score = Self::new(*value).ok_or(ScoreError::NotFinite {
                image,
                value: *value,
            })?;
            highest = Some(highest.map_or(score, |so_far| so_far.max(score)));
        }
        highest.ok_or(ScoreError::NoImage)
    }

    /// The number.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_the_highest_score_of_its_views() {
        assert_eq!(Score::of_part(&[0.1, 0.7, -3.0]).unwrap().value(), 0.7);
        assert_eq!(Score::of_part(&[]), Err(ScoreError::NoImage));
    }

    #[test]
    fn one_view_without_a_number_leaves_the_part_without_a_score() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            assert!(Score::new(value).is_none());
            let error = Score::of_part(&[0.9, value]).unwrap_err().to_string();
            assert!(
                error.starts_with("the score of image 1 of the part is"),
                "{error}"
            );
        }
    }

    #[test]
    fn zeros_are_equal() {
        assert_eq!(
            Score::new(-0.0).unwrap().cmp(&Score::new(0.0).unwrap()),
            Ordering::Equal
        );
    }
}
