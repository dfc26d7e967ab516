//! `clip-in model import`: converts a model in the layout of the Hub's ONNX exports to a bundle.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::bundle::Bundle;
use crate::import::{Options, Repository, Source, import};

#[derive(Debug, Args)]
pub struct ImportArguments {
    /// A folder with config.json, preprocessor_config.json, tokenizer.json, tokenizer_config.json and
    /// onnx/vision_model.onnx, onnx/text_model.onnx; or hf:org/name (HF_ENDPOINT and HF_TOKEN are respected)
    source: String,
    /// Folder of the bundle; it must not exist yet
    #[arg(long)]
    out: PathBuf,
    /// Branch, tag or commit of a model on the Hub [default: main]
    #[arg(long)]
    revision: Option<String>,
    /// The model's name in the API [default: the name of its source]
    #[arg(long)]
    name: Option<String>,
    /// Factor of the cosine: the model's logit_scale, exponentiated [default: from model.safetensors; else 100 for CLIP, which
    /// all public ones have, and required for SigLIP]
    #[arg(long)]
    logit_scale: Option<f32>,
    /// Added to the scaled cosine: the model's logit_bias [default: from model.safetensors; else 0 for CLIP, and required for
    /// SigLIP]
    #[arg(long, allow_negative_numbers = true)]
    logit_bias: Option<f32>,
}

pub fn run(arguments: &ImportArguments) -> anyhow::Result<()> {
    let source = match (arguments.source.strip_prefix("hf:"), &arguments.revision) {
        (Some(id), revision) => Source::Hub(Repository {
            id: id.to_owned(),
            revision: revision.clone().unwrap_or_else(|| "main".to_owned()),
        }),
        (None, None) => Source::Folder(PathBuf::from(&arguments.source)),
        (None, Some(_)) => bail!("--revision is for models on the Hub (hf:org/name)"),
    };
    let options = Options {
        name: arguments.name.clone(),
        logit_scale: arguments.logit_scale,
        logit_bias: arguments.logit_bias,
    };
    import(&source, &arguments.out, &options, |step| {
        message!("{step}");
    })?;
    let name = Bundle::open_unverified(&arguments.out)?.manifest.name;
    print_line!("{}: {name}", arguments.out.display())?;
    Ok(())
}
