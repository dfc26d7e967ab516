//! Lengths of captions in tokens of the model, including the start and end tokens.

use serde::Serialize;

/// Upper bounds of the histogram's bins, in tokens; the last bin has none.
pub const BINS: [usize; 9] = [8, 16, 32, 64, 77, 128, 256, 512, usize::MAX];

/// The lengths of one kind of caption.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Lengths {
    pub captions: u64,
    /// Number of captions in each of [`BINS`].
    pub bins: [u64; BINS.len()],
    pub longest: usize,
    pub mean: f64,
    /// Number of captions longer than the model's context.
    pub cut: u64,
    /// Number of tokens beyond the context.
    pub lost_tokens: u64,
}

impl Lengths {
    pub fn add(&mut self, tokens: usize, lost: usize) {
        self.captions += 1;
        let bin = BINS.iter().position(|most| tokens <= *most);
        if let Some(bin) = bin.and_then(|bin| self.bins.get_mut(bin)) {
            *bin += 1;
        }
        self.longest = self.longest.max(tokens);
        self.mean += (tokens as f64 - self.mean) / self.captions as f64;
        self.cut += u64::from(lost > 0);
        self.lost_tokens += lost as u64;
    }
}

/// The name of a bin in the report.
pub fn bin_name(bin: usize) -> String {
    let from = match bin.checked_sub(1).and_then(|before| BINS.get(before)) {
        Some(before) => before + 1,
        None => 1,
    };
    match BINS.get(bin) {
        Some(&usize::MAX) | None => format!("{from} or more"),
        Some(to) => format!("{from}-{to}"),
    }
}
