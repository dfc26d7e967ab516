//! Finds the embeddings that are closest to a query.

use super::cosine;

/// An embedding's index and its cosine to the query, −1..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Index in the searched list.
    pub index: usize,
    /// Cosine to the query.
    pub cosine: f32,
}

/// The `most` embeddings that are closest to `query`, best first; equal ones in their original order.
pub fn nearest<E: AsRef<[f32]>>(query: &[f32], embeddings: &[E], most: usize) -> Vec<Neighbour> {
    let mut found: Vec<_> = embeddings
        .iter()
        .enumerate()
        .map(|(index, embedding)| Neighbour {
            index,
            cosine: cosine(query, embedding.as_ref()),
        })
        .collect();
    found.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.index.cmp(&b.index)));
    found.truncate(most);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_up_to_the_limit() {
        let embeddings = [[0.0, 1.0], [1.0, 0.0], [0.6, 0.8], [1.0, 0.0]];
        let order = |most| {
            let found = nearest(&[1.0, 0.0], &embeddings, most);
            found.iter().map(|n| n.index).collect::<Vec<_>>()
        };
        assert_eq!(order(9), [1, 3, 2, 0]);
        assert_eq!(order(2), [1, 3]);
        assert!(order(0).is_empty());
    }
}
