//! Runs the benchmark with shorter texts: the loss and the time for each length.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, bail};

use super::bootstrap::Resampling;
use super::embedding::Encoder;
use super::report::{LengthRow, metrics};
use super::scoring::MetricSpec;
use super::texts::Texts;
use super::{Scoring, Vectors};
use crate::dataset::pipeline;
use crate::engine::{Item, Lane};
use crate::tokenize::TextTokenizer;

/// Number of texts that are timed, and of texts for warming up.
const TIMED: usize = 30;
const WARM_UP: usize = 3;

/// Scores at each length, in ascending order; images are not embedded again. The texts of `vectors` are overwritten.
///
/// # Errors
/// If a length leaves no room for a token of the text, or if the engine fails.
pub async fn run(
    encoder: &Encoder<'_>,
    texts: &Texts,
    vectors: &mut Vectors,
    scoring: &dyn Scoring,
    headlines: &[&MetricSpec],
    lengths: &[usize],
    how: Resampling,
) -> anyhow::Result<Vec<LengthRow>> {
    if lengths.is_empty() {
        return Ok(Vec::new());
    }
    let side = &encoder.model.manifest().text;
    let around = 1 + usize::from(side.sot_id.is_some());
    let mut lengths = lengths.to_vec();
    lengths.sort_unstable();
    lengths.dedup();
    if let Some(short) = lengths.iter().find(|length| **length <= around) {
        bail!(
            "a length of {short} tokens has no room for a text: {around} of them are the start and end tokens"
        );
    }
    let tokenizer = TextTokenizer::load(encoder.model.bundle())?;
    let encoded = texts.all().iter().map(|text| {
        let encoded = tokenizer.encode(text).map_err(anyhow::Error::msg)?;
        Ok((encoded.ids, encoded.truncated > 0))
    });
    let encoded = encoded.collect::<anyhow::Result<Vec<_>>>()?;
    let specs: Vec<MetricSpec> = headlines.iter().map(|spec| (*spec).clone()).collect();
    let mut rows = Vec::new();
    for tokens in lengths {
        if tokens > side.context_length {
            rows.push(LengthRow {
                tokens,
                beyond_context: true,
                cut_texts: 0,
                milliseconds_per_text: None,
                metrics: BTreeMap::new(),
            });
            continue;
        }
        let cut_texts = encoded
            .iter()
            .filter(|(ids, truncated)| *truncated || ids.len() > tokens);
        let items = encoded
            .iter()
            .map(|(ids, _)| Item::Tokens(cut(ids, tokens, side.eot_id)));
        let found = encoder
            .text_items(items, |index| texts.place(index).to_owned())
            .await?;
        // Items that were broken before stay broken: scores of different items could not be compared.
        for (slot, found) in vectors.texts.iter_mut().zip(found.embeddings) {
            if slot.is_some() {
                *slot = found;
            }
        }
        let scored = scoring.score(vectors);
        rows.push(LengthRow {
            tokens,
            beyond_context: false,
            cut_texts: cut_texts.count(),
            milliseconds_per_text: Some(
                time(encoder, &encoded, tokens, around, side.eot_id).await?,
            ),
            metrics: metrics(&specs, &scored.items, how),
        });
    }
    Ok(rows)
}

/// The tokenizer's output for a context of `tokens` tokens.
fn cut(ids: &[u32], tokens: usize, end: u32) -> Vec<u32> {
    if ids.len() <= tokens {
        return ids.to_vec();
    }
    let mut kept: Vec<u32> = ids.iter().copied().take(tokens - 1).collect();
    kept.push(end);
    kept
}

/// Median milliseconds of a text of exactly this many tokens. A shorter text is repeated until it is long enough, because
/// the time does not depend on its content.
async fn time(
    encoder: &Encoder<'_>,
    encoded: &[(Vec<u32>, bool)],
    tokens: usize,
    around: usize,
    end: u32,
) -> anyhow::Result<f64> {
    let sources: Vec<_> = encoded
        .iter()
        .map(|(ids, _)| ids)
        .filter(|ids| ids.len() > around)
        .collect();
    let mut times = Vec::new();
    for (i, ids) in sources.iter().cycle().take(WARM_UP + TIMED).enumerate() {
        let (start, text) = ids.split_at(around - 1);
        let text = text.split_last().map_or(text, |(_, text)| text);
        let mut exact = start.to_vec();
        exact.extend(text.iter().cycle().take(tokens - around));
        exact.push(end);
        let started = Instant::now();
        let found = pipeline::embed(encoder.model, Item::Tokens(exact), Lane::Interactive).await;
        let elapsed = started.elapsed();
        found
            .context("the engine failed")?
            .map_err(anyhow::Error::msg)?;
        if i >= WARM_UP {
            times.push(elapsed.as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    // Without a non-empty text there is nothing to time.
    times
        .get(times.len() / 2)
        .copied()
        .context("all texts are empty")
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn the_end_token_stays() {
        assert_eq!(cut(&[1, 7, 8, 9, 2], 4, 2), [1, 7, 8, 2]);
        assert_eq!(cut(&[1, 7, 2], 3, 2), [1, 7, 2]);
        assert_eq!(cut(&[1, 7, 2], 9, 2), [1, 7, 2]);
    }
}
