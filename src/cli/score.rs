//! `clip-in score`: compares one image with texts, without a server.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{block_on, load};
use crate::engine::{EmbedError, EmbedOptions, EngineSettings, ImageSource, Item};
use crate::matching::{rank, score};

#[derive(Debug, Args)]
pub struct ScoreArguments {
    /// Folder of the bundle
    #[arg(long, env = "CLIP_IN_MODEL", default_value = "models/demo")]
    model: PathBuf,
    /// Precision to run at; auto selects as `serve` does
    #[arg(long, env = "CLIP_IN_PRECISION", default_value = "auto")]
    precision: String,
    /// The image file
    #[arg(long)]
    image: PathBuf,
    /// A text; give it several times to compare several
    #[arg(long, required = true)]
    text: Vec<String>,
    /// Print JSON, in the order of the texts
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &ScoreArguments) -> anyhow::Result<()> {
    let bytes = std::fs::read(&arguments.image)
        .with_context(|| format!("cannot read {}", arguments.image.display()))?;
    let settings = EngineSettings {
        workers: Some(1),
        threads_per_worker: num_cpus::get(),
        ..EngineSettings::default()
    };
    let model = load(&arguments.model, &arguments.precision, &settings)?;
    let mut items = vec![Item::Image(ImageSource::Bytes(bytes.into()))];
    items.extend(arguments.text.iter().cloned().map(Item::Text));
    let result = block_on(model.embed(items, EmbedOptions::default()))?;
    model.stop();
    let encodings = result.map_err(|error| match error {
        EmbedError::Item { index: 0, error } => {
            anyhow::anyhow!("{}: {error}", arguments.image.display())
        }
        EmbedError::Item { index, error } => anyhow::anyhow!("text {index}: {error}"),
        EmbedError::Engine(error) => error.into(),
    })?;
    let (image, texts) = encodings.split_at(1);
    let scores = score(image, texts, &model.manifest().similarity);
    let (cosines, probabilities) = (&scores.cosines[0], &scores.probabilities[0]);
    let truncated: usize = texts.iter().map(|text| text.tokens.truncated).sum();
    if truncated > 0 {
        message!("note: {truncated} tokens did not fit into the model's context and were cut off");
    }
    if arguments.json {
        let result = json!({
            "model": model.name(), "texts": arguments.text, "scores": cosines, "logits": scores.logits[0],
            "probabilities": probabilities, "truncated_tokens": truncated,
        });
        print_line!("{result}")?;
        return Ok(());
    }
    print_line!("probability  cosine  text")?;
    for label in rank(cosines, probabilities) {
        print_line!(
            "{:>10.1}%  {:>6.3}  {}",
            label.score * 100.0,
            label.cosine,
            arguments.text[label.index]
        )?;
    }
    Ok(())
}
