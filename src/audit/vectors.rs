//! Embeddings in blocks for matrix products. Blocks are never moved when the set grows.

use ndarray::ArrayView2;

/// Vectors per block. The product of two blocks takes a megabyte.
pub const BLOCK: usize = 512;

/// Vectors of one width.
#[derive(Debug, Default)]
pub struct Vectors {
    width: usize,
    len: usize,
    blocks: Vec<Vec<f32>>,
}

impl Vectors {
    pub fn new(width: usize) -> Self {
        Self {
            width,
            ..Self::default()
        }
    }

    pub fn push(&mut self, vector: &[f32]) {
        if self.len.is_multiple_of(BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK * self.width));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.extend_from_slice(vector);
            self.len += 1;
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// A block as a matrix with one row per vector.
    pub fn block(&self, index: usize) -> Option<ArrayView2<'_, f32>> {
        let block = self.blocks.get(index)?;
        ArrayView2::from_shape((block.len() / self.width.max(1), self.width), block).ok()
    }
}
