//! The two passes of a resize, over rows of RGB bytes.
//!
//! Each is a plain loop over arrays of fixed length, which the compiler vectorises. The `multiversion` attribute also
//! compiles it for AVX2 and selects at run time. All sums are of integers, so their order does not matter and every version
//! gives the same bytes.

use multiversion::{multiversion, target::match_target};

use super::weights::{FRACTION_BITS, Weights};

/// Half a unit in the last place, so that the shift rounds.
const HALF: i32 = 1 << (FRACTION_BITS - 1);
/// Number of pixels per step of the horizontal pass. With three channels: 24 sums, three AVX2 registers.
const STEP: usize = 8;
/// Number of sums per step.
const LANES: usize = STEP * 3;
/// Number of output pixels whose weights stay in the first-level cache while all rows are processed.
const COLUMNS: usize = 32;
/// Number of bytes of a row per step of the vertical pass.
const BLOCK: usize = 64;

/// Keeps `columns` pixels from `x` on of every row of `width` pixels.
pub(super) fn crop_columns(source: &[u8], width: usize, x: usize, columns: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(source.len() / width * columns);
    for row in source.chunks_exact(width * 3) {
        out.extend_from_slice(&row[x * 3..][..columns * 3]);
    }
    out
}

/// Converts rows of `width` pixels to rows of as many pixels as `weights` has ranges.
pub(super) fn horizontal(source: &[u8], width: usize, weights: &Weights) -> Vec<u8> {
    let stride = weights.ranges.len() * 3;
    let rows = source.len() / (width * 3);
    let mut out = vec![0; rows * stride];
    if horizontal_eight_rows(source, width, weights, &mut out) {
        return out;
    }
    let expanded = Expanded::new(weights);
    // A row shorter than the padded weights is extended by pixels whose weight is 0.
    let padded;
    let (source, width) = if expanded.padding == 0 {
        (source, width)
    } else {
        padded = pad_rows(source, width, expanded.padding);
        (&padded[..], width + expanded.padding)
    };
    for first in (0..expanded.starts.len()).step_by(COLUMNS) {
        let end = (first + COLUMNS).min(expanded.starts.len());
        let starts = &expanded.starts[first..end];
        let values = &expanded.values[first * expanded.steps..end * expanded.steps];
        for (out, row) in out
            .chunks_exact_mut(stride)
            .zip(source.chunks_exact(width * 3))
        {
            horizontal_columns(row, starts, values, &mut out[first * 3..end * 3]);
        }
    }
    out
}

/// The pass for AVX2, if the processor has it.
#[multiversion(targets("x86_64+avx2"))]
fn horizontal_eight_rows(source: &[u8], width: usize, weights: &Weights, out: &mut [u8]) -> bool {
    match_target! {
        "x86_64+avx2" => {
            super::eight_rows::horizontal(source, width, weights, out);
            true
        },
        _ => {
            let _ = (source, width, weights, out);
            false
        }
    }
}

fn pad_rows(source: &[u8], width: usize, padding: usize) -> Vec<u8> {
    let mut out = vec![0; source.len() / width * (width + padding)];
    for (to, from) in out
        .chunks_exact_mut((width + padding) * 3)
        .zip(source.chunks_exact(width * 3))
    {
        to[..from.len()].copy_from_slice(from);
    }
    out
}

/// Weights in the layout of the horizontal pass: each three times, once per channel, with the number per pixel padded with
/// zeros to whole steps.
struct Expanded {
    /// For each output pixel its first byte in the source row.
    starts: Vec<usize>,
    /// Number of steps for each output pixel.
    steps: usize,
    /// `steps` times [`LANES`] weights for each output pixel.
    values: Vec<[i32; LANES]>,
    /// Number of pixels by which the source rows are too short for whole steps.
    padding: usize,
}

impl Expanded {
    fn new(weights: &Weights) -> Self {
        let used = weights
            .ranges
            .iter()
            .map(|range| range.1)
            .max()
            .unwrap_or(0);
        let steps = used.div_ceil(STEP).max(1);
        let taps = steps * STEP;
        let last = weights.source.saturating_sub(taps);
        let mut values = vec![[0; LANES]; steps * weights.ranges.len()];
        let mut starts = Vec::with_capacity(weights.ranges.len());
        let per_pixel = weights
            .values
            .chunks_exact(weights.taps)
            .zip(values.chunks_exact_mut(steps));
        for (&(start, used), (from, to)) in weights.ranges.iter().zip(per_pixel) {
            // Near the right edge the padding is on the left, where there are pixels to read.
            let moved = start.min(last);
            let to = to.as_flattened_mut()[(start - moved) * 3..].chunks_exact_mut(3);
            for (to, &weight) in to.zip(&from[..used]) {
                to.fill(weight);
            }
            starts.push(moved * 3);
        }
        Self {
            starts,
            steps,
            values,
            padding: taps.saturating_sub(weights.source),
        }
    }
}

/// At most [`COLUMNS`] pixels of one row of the result.
#[multiversion(targets("x86_64+avx2"))]
fn horizontal_columns(row: &[u8], starts: &[usize], weights: &[[i32; LANES]], out: &mut [u8]) {
    let steps = weights.len() / starts.len();
    // The sums are stored and folded step by step: added in one expression, their three interleaved channels would make the
    // compiler gather single values.
    let mut sums = [[0i32; LANES]; COLUMNS];
    for ((sums, &start), weights) in sums.iter_mut().zip(starts).zip(weights.chunks_exact(steps)) {
        let mut sum = [0i32; LANES];
        let (pixels, _) = row[start..].as_chunks::<LANES>();
        for (pixels, weights) in pixels.iter().zip(weights) {
            for lane in 0..LANES {
                sum[lane] += i32::from(pixels[lane]) * weights[lane];
            }
        }
        *sums = sum;
    }
    let sums = &sums[..starts.len().min(COLUMNS)];
    let (mut halves, mut quarters) = ([[0; LANES / 2]; COLUMNS], [[0; LANES / 4]; COLUMNS]);
    fold(sums, &mut halves);
    fold(&halves[..sums.len()], &mut quarters);
    let (out, _) = out.as_chunks_mut::<3>();
    for (out, sums) in out.iter_mut().zip(&quarters[..sums.len()]) {
        *out = std::array::from_fn(|channel| to_byte(HALF + sums[channel] + sums[channel + 3]));
    }
}

/// Adds the second half of each array to its first half.
#[inline(always)]
fn fold<const TWO: usize, const ONE: usize>(from: &[[i32; TWO]], to: &mut [[i32; ONE]]) {
    for (to, from) in to.iter_mut().zip(from) {
        for lane in 0..ONE {
            to[lane] = from[lane] + from[lane + ONE];
        }
    }
}

/// Converts rows of `stride` bytes, beginning with row `first` of the source, to as many rows as `weights` has ranges.
pub(super) fn vertical(source: &[u8], stride: usize, first: usize, weights: &Weights) -> Vec<u8> {
    let mut out = vec![0; weights.ranges.len() * stride];
    let per_row = weights
        .ranges
        .iter()
        .zip(weights.values.chunks_exact(weights.taps));
    for (out, (&(start, used), weights)) in out.chunks_exact_mut(stride).zip(per_row) {
        vertical_row(
            &source[(start - first) * stride..][..used * stride],
            stride,
            &weights[..used],
            out,
        );
    }
    out
}

/// One row of the result from its source rows.
#[multiversion(targets("x86_64+avx2"))]
fn vertical_row(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8]) {
    let mut blocks = out.chunks_exact_mut(BLOCK);
    let mut at = 0;
    for block in blocks.by_ref() {
        let mut sums = [HALF; BLOCK];
        for (row, &weight) in rows.chunks_exact(stride).zip(weights) {
            let row = &row[at..][..BLOCK];
            for lane in 0..BLOCK {
                sums[lane] += i32::from(row[lane]) * weight;
            }
        }
        for lane in 0..BLOCK {
            block[lane] = to_byte(sums[lane]);
        }
        at += BLOCK;
    }
    let rest = blocks.into_remainder();
    let mut sums = [HALF; BLOCK];
    for (row, &weight) in rows.chunks_exact(stride).zip(weights) {
        for (sum, &value) in sums.iter_mut().zip(&row[at..]) {
            *sum += i32::from(value) * weight;
        }
    }
    for (out, &sum) in rest.iter_mut().zip(&sums) {
        *out = to_byte(sum);
    }
}

/// From fixed point to a pixel, clamped to its range: a cubic filter overshoots at edges.
#[inline(always)]
fn to_byte(sum: i32) -> u8 {
    (sum >> FRACTION_BITS).clamp(0, 255) as u8
}
