//! Connected components of a picture of yes and no.

/// The components of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// The component of each pixel, row by row; 0 is none, the first is 1. Components are numbered in the order of
    /// their first pixel.
    pub labels: Vec<u32>,
    /// Pixels of each component; the first number belongs to component 1.
    pub areas: Vec<usize>,
}

/// Finds the 8-connected components of the pixels for which `is_set` holds: two passes with a union of labels
/// (Rosenfeld and Pfaltz, 1966). Time and memory are linear in the number of pixels.
pub fn components(width: usize, height: usize, is_set: impl Fn(usize) -> bool) -> Components {
    let mut labels = vec![0_u32; width * height];
    // Entry i is the label that label i is the same as; entry 0 is unused.
    let mut same = vec![0_u32];
    for row in 0..height {
        for column in 0..width {
            let pixel = row * width + column;
            if !is_set(pixel) {
                continue;
            }
            let mut found = 0;
            let mut meet = |label: u32| {
                if label != 0 {
                    found = if found == 0 {
                        root(&mut same, label)
                    } else {
                        join(&mut same, found, label)
                    };
                }
            };
            if column > 0 {
                meet(labels[pixel - 1]);
            }
            if row > 0 {
                let above = pixel - width;
                if column > 0 {
                    meet(labels[above - 1]);
                }
                meet(labels[above]);
                if column + 1 < width {
                    meet(labels[above + 1]);
                }
            }
            if found == 0 {
                found = same.len() as u32;
                same.push(found);
            }
            labels[pixel] = found;
        }
    }
    let mut number = vec![0_u32; same.len()];
    let mut areas = Vec::new();
    for label in &mut labels {
        if *label == 0 {
            continue;
        }
        let root = root(&mut same, *label) as usize;
        if number[root] == 0 {
            areas.push(0);
            number[root] = areas.len() as u32;
        }
        *label = number[root];
        areas[number[root] as usize - 1] += 1;
    }
    Components { labels, areas }
}

fn root(same: &mut [u32], mut label: u32) -> u32 {
    while same[label as usize] != label {
        let next = same[same[label as usize] as usize];
        same[label as usize] = next;
        label = next;
    }
    label
}

/// Makes the labels one; returns the smaller root.
fn join(same: &mut [u32], a: u32, b: u32) -> u32 {
    let (a, b) = (root(same, a), root(same, b));
    let (low, high) = (a.min(b), a.max(b));
    same[high as usize] = low;
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fills from each pixel that is not yet labelled: slow and plain.
    fn by_filling(width: usize, height: usize, set: &[bool]) -> Components {
        let (mut labels, mut areas) = (vec![0_u32; set.len()], Vec::new());
        for start in 0..set.len() {
            if !set[start] || labels[start] != 0 {
                continue;
            }
            areas.push(0);
            let label = areas.len() as u32;
            let mut open = vec![start];
            while let Some(pixel) = open.pop() {
                if !set[pixel] || labels[pixel] != 0 {
                    continue;
                }
                labels[pixel] = label;
                areas[label as usize - 1] += 1;
                let (x, y) = (pixel % width, pixel / width);
                for row in y.saturating_sub(1)..=(y + 1).min(height - 1) {
                    for column in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                        open.push(row * width + column);
                    }
                }
            }
        }
        Components { labels, areas }
    }

    proptest! {
        #[test]
        fn the_same_as_filling(width in 1_usize..12, height in 1_usize..12, bits in any::<[u64; 3]>()) {
            let set: Vec<_> = (0..width * height).map(|i| bits[i / 64 % 3] >> (i % 64) & 1 == 1).collect();
            let found = components(width, height, |pixel| set[pixel]);
            prop_assert_eq!(found, by_filling(width, height, &set));
        }
    }

    #[test]
    fn an_empty_picture_has_none() {
        assert!(components(0, 0, |_| true).areas.is_empty());
        assert!(components(3, 2, |_| false).areas.is_empty());
    }
}
