//! One vector for each label: the mean direction of its texts, of its example images, or both.
//!
//! Texts: the prompt ensemble of CLIP (arXiv 2103.00020, 3.1.4). Images: the class means of prototypical networks
//! (arXiv 1703.05175).

use serde::{Deserialize, Serialize};

use super::cosine;

/// The labels of a set as vectors, one row per label. Every label has at least one of the two kinds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prototypes {
    /// Mean directions of texts.
    pub texts: Option<Vec<Vec<f32>>>,
    /// Mean directions of example images.
    pub images: Option<Vec<Vec<f32>>>,
}

impl Prototypes {
    /// Cosine of an image to each label. For a label with texts and images it is the mean of both cosines.
    pub fn cosines(&self, image: &[f32]) -> Vec<f32> {
        let to = |rows: &Vec<Vec<f32>>| -> Vec<f32> {
            rows.iter().map(|row| cosine(image, row)).collect()
        };
        match (self.texts.as_ref().map(to), self.images.as_ref().map(to)) {
            (Some(texts), Some(images)) => texts
                .iter()
                .zip(images)
                .map(|(text, image)| (text + image) / 2.0)
                .collect(),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Vec::new(),
        }
    }

    /// Bytes of all vectors.
    pub fn bytes(&self) -> usize {
        let rows = self.texts.iter().chain(&self.images).flatten();
        rows.map(|row| size_of_val(row.as_slice())).sum()
    }
}

/// The direction of the sum of unit vectors, as a unit vector; zeros if they cancel out, so that no cosine prefers this
/// label.
pub fn mean_direction<E: AsRef<[f32]>>(vectors: &[E]) -> Vec<f32> {
    let width = vectors.first().map_or(0, |v| v.as_ref().len());
    let mut sum = vec![0.0_f64; width];
    for vector in vectors {
        for (total, value) in sum.iter_mut().zip(vector.as_ref()) {
            *total += f64::from(*value);
        }
    }
    let norm = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
    let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
    sum.into_iter().map(|x| (x * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_direction_has_unit_length() {
        assert_eq!(
            mean_direction(&[[1.0, 0.0], [0.0, 1.0]]),
            [0.5_f32.sqrt(); 2]
        );
        assert_eq!(mean_direction(&[[1.0, 0.0], [-1.0, 0.0]]), [0.0, 0.0]);
        assert!(mean_direction::<[f32; 2]>(&[]).is_empty());
    }

    #[test]
    fn texts_and_images_have_equal_weight() {
        let both = Prototypes {
            texts: Some(vec![vec![1.0, 0.0], vec![0.0, 1.0]]),
            images: Some(vec![vec![0.0, 1.0], vec![0.0, 1.0]]),
        };
        assert_eq!(both.cosines(&[1.0, 0.0]), [0.5, 0.0]);
        let texts = Prototypes {
            images: None,
            ..both
        };
        assert_eq!(texts.cosines(&[1.0, 0.0]), [1.0, 0.0]);
    }
}
