//! Exact nearest-neighbour search among the permitted vectors, by block products on all cores.
//!
//! Only the best match of each vector is stored (8 bytes per vector and thread), so memory does not depend on the number of
//! similar vectors. In a release build, 10,000 vectors of 192 numbers take 0.5 core-seconds, 100,000 take 44.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::bail;

use super::vectors::{BLOCK, Vectors};

/// The nearest vector of one vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest {
    /// Less than -1 if there is no match.
    pub cosine: f32,
    pub index: u32,
}

const NONE: Nearest = Nearest {
    cosine: -2.0,
    index: u32::MAX,
};

/// Finds the nearest vector of `base` for each query. Without `base`, the queries are compared with each other, each pair of
/// blocks once. `comparable` is called with the two indices. `stop` ends the search early; the result must not be used then.
///
/// # Errors
/// If a thread of the search panicked.
pub fn nearest(
    queries: &Vectors,
    base: Option<&Vectors>,
    comparable: impl Fn(usize, usize) -> bool + Sync,
    stop: &AtomicBool,
) -> anyhow::Result<Vec<Nearest>> {
    let next = AtomicUsize::new(0);
    let search = || {
        let mut best = vec![NONE; queries.len()];
        loop {
            let row = next.fetch_add(1, Ordering::Relaxed);
            if row >= queries.blocks() || stop.load(Ordering::Relaxed) {
                return best;
            }
            let columns = match base {
                Some(base) => 0..base.blocks(),
                None => row..queries.blocks(),
            };
            for column in columns {
                compare(queries, base, (row, column), &comparable, &mut best);
            }
        }
    };
    let found = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..num_cpus::get()).map(|_| scope.spawn(search)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join())
            .collect::<Result<Vec<_>, _>>()
    });
    let Ok(found) = found else {
        bail!("the search for the nearest images was interrupted");
    };
    let mut best = vec![NONE; queries.len()];
    for part in found {
        for (best, other) in best.iter_mut().zip(part) {
            // In a tie the first vector wins, independently of the thread that found it.
            if other.cosine > best.cosine
                || (other.cosine == best.cosine && other.index < best.index)
            {
                *best = other;
            }
        }
    }
    Ok(best)
}

fn compare(
    queries: &Vectors,
    base: Option<&Vectors>,
    (row, column): (usize, usize),
    comparable: &impl Fn(usize, usize) -> bool,
    best: &mut [Nearest],
) {
    let (Some(a), Some(b)) = (queries.block(row), base.unwrap_or(queries).block(column)) else {
        return;
    };
    let products = a.dot(&b.t());
    let within = base.is_none();
    for (i, line) in products.outer_iter().enumerate() {
        let i = row * BLOCK + i;
        let Some(line) = line.to_slice() else {
            continue;
        };
        for (j, &product) in line.iter().enumerate() {
            // Rounding must not give a cosine above 1.
            let cosine = product.clamp(-1.0, 1.0);
            let j = column * BLOCK + j;
            let better = |k: usize| best.get(k).is_some_and(|best| cosine > best.cosine);
            let (for_i, for_j) = (better(i), within && better(j));
            if (for_i || for_j) && (!within || i != j) && comparable(i, j) {
                if for_i {
                    set(best, i, j, cosine);
                }
                if for_j {
                    set(best, j, i, cosine);
                }
            }
        }
    }
}

fn set(best: &mut [Nearest], of: usize, index: usize, cosine: f32) {
    if let (Some(best), Ok(index)) = (best.get_mut(of), u32::try_from(index)) {
        *best = Nearest { cosine, index };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit vectors that depend only on the number.
    fn vectors(count: usize, width: usize, mut seed: u64) -> (Vectors, Vec<Vec<f32>>) {
        let (mut kept, mut plain) = (Vectors::new(width), Vec::new());
        for _ in 0..count {
            let mut vector: Vec<f32> = (0..width)
                .map(|_| {
                    seed = seed
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    (seed >> 40) as f32 / (1 << 23) as f32 - 1.0
                })
                .collect();
            let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            vector.iter_mut().for_each(|x| *x /= norm);
            kept.push(&vector);
            plain.push(vector);
        }
        (kept, plain)
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn block_search_equals_plain_search() {
        let (a, plain_a) = vectors(BLOCK * 2 + 77, 16, 1);
        let (b, plain_b) = vectors(BLOCK + 5, 16, 2);
        let stop = AtomicBool::new(false);
        let allowed = |i: usize, j: usize| i / 2 != j / 2;
        let within = nearest(&a, None, allowed, &stop).unwrap();
        let between = nearest(&a, Some(&b), |_, _| true, &stop).unwrap();
        for (i, vector) in plain_a.iter().enumerate() {
            let best = |others: &[Vec<f32>], allowed: &dyn Fn(usize) -> bool| {
                let all = others.iter().enumerate().filter(|(j, _)| allowed(*j));
                all.map(|(_, other)| cosine(vector, other))
                    .fold(-2.0, f32::max)
            };
            let wanted = best(&plain_a, &|j| allowed(i, j));
            assert!((within[i].cosine - wanted).abs() < 1e-5);
            assert!(allowed(i, within[i].index as usize));
            assert!((between[i].cosine - best(&plain_b, &|_| true)).abs() < 1e-5);
        }
    }

    #[test]
    fn no_cosine_is_above_one() {
        // 0.6 and 0.8 are not exact in binary: the squares of these vectors add up to more than 1.
        let long = [0.6_f32.next_up(), 0.8_f32.next_up()];
        assert!(cosine(&long, &long) > 1.0);
        let mut set = Vectors::new(2);
        (0..3).for_each(|_| set.push(&long));
        let found = nearest(&set, None, |i, j| i != j, &AtomicBool::new(false)).unwrap();
        assert!(found.iter().all(|best| best.cosine == 1.0), "{found:?}");
    }

    #[test]
    #[ignore = "a measurement: cargo test --lib search_time -- --ignored --nocapture"]
    fn search_time() {
        for count in [10_000, 100_000] {
            let (set, _) = vectors(count, 192, 3);
            let started = std::time::Instant::now();
            nearest(&set, None, |i, j| i / 2 != j / 2, &AtomicBool::new(false)).unwrap();
            eprintln!("{count} vectors of 192: {:.1?}", started.elapsed());
        }
    }
}
