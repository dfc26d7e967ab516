//! Near duplicates by the model's embeddings: within a set, and between two sets.

use std::sync::atomic::AtomicBool;

use super::findings::{Check, Example};
use super::nearest::{Nearest, nearest};
use super::set::Set;
use super::spread::Spread;

/// Records the images of a set that are similar to an image of another record. It never compares the sides of one pair, nor
/// an image with the other side of its own copy. Images with the same bytes are recorded as duplicates already.
///
/// # Errors
/// If the search was interrupted.
pub fn near_duplicates(set: &mut Set, stop: &AtomicBool) -> anyhow::Result<()> {
    let best = {
        let set = &*set;
        let comparable = |i: usize, j: usize| {
            let twin = |i: usize, j: usize| {
                set.mate(i)
                    .is_some_and(|mate| set.images.bytes.get(mate) == set.images.bytes.get(j))
            };
            set.record_of(i) != set.record_of(j)
                && set.images.bytes.get(i) != set.images.bytes.get(j)
                && !twin(i, j)
                && !twin(j, i)
        };
        nearest(&set.images.vectors, None, comparable, stop)?
    };
    set.nearest_other = Spread::of(cosines(&best));
    let mut found = Vec::new();
    for (i, best) in best.iter().enumerate() {
        let j = best.index as usize;
        if best.cosine >= set.settings.near {
            let kind = match set.images.pixels.get(i) == set.images.pixels.get(j) {
                true => "same_pixels",
                false => "near",
            };
            found.push((best.cosine, kind, i, j));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (cosine, kind, i, j) in found {
        let example = Example {
            at: set.image_name(i),
            other: Some(set.image_name(j)),
            value: Some(cosine),
            ..Example::default()
        };
        let finding = set.findings.entry(Check::NearDuplicates).or_default();
        finding.note(&[kind], || example);
    }
    Ok(())
}

/// Records the images of `against` that are similar to an image of `train` and were not found by bytes or pixels.
///
/// # Errors
/// If the search was interrupted.
pub fn leaked_near(train: &Set, against: &mut Set, stop: &AtomicBool) -> anyhow::Result<()> {
    let best = nearest(
        &against.images.vectors,
        Some(&train.images.vectors),
        |_, _| true,
        stop,
    )?;
    against.nearest_other = Spread::of(cosines(&best));
    let mut found: Vec<_> = best
        .iter()
        .enumerate()
        .filter(|(i, best)| {
            let known = against.images.leaked.get(*i) == Some(&true);
            best.cosine >= train.settings.near && !known
        })
        .collect();
    found.sort_by(|a, b| b.1.cosine.total_cmp(&a.1.cosine));
    for (i, best) in found {
        let example = Example {
            at: against.image_name(i),
            other: Some(train.image_name(best.index as usize)),
            value: Some(best.cosine),
            ..Example::default()
        };
        let finding = against.findings.entry(Check::Leak).or_default();
        finding.note(&["near"], || example);
    }
    Ok(())
}

fn cosines(best: &[Nearest]) -> Vec<f32> {
    let all = best.iter().map(|best| best.cosine);
    all.filter(|cosine| *cosine >= -1.5).collect()
}
