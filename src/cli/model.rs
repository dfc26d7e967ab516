//! `clip-in model inspect|verify|measure|import|history`

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::import::{self, ImportArguments};
use super::line::{Named, history};
use super::measure::{self, MeasureArguments};
use crate::bundle::Bundle;
use crate::engine::{unsupported_reason, verify, verify_features};
use crate::runtime::Device;

#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Print a summary of a bundle: sizes, inputs, variants, origin
    Inspect {
        /// Folder of the bundle
        folder: PathBuf,
        /// Print the whole manifest as JSON
        #[arg(long)]
        json: bool,
    },
    /// Check every checksum and recompute the golden embeddings of every variant; exit status 1 if one is wrong
    Verify {
        /// Folder of the bundle
        folder: PathBuf,
    },
    /// Time the image encoder alone by batch size, and compare it with fp32 on the CPU
    Measure(MeasureArguments),
    /// Convert a CLIP or SigLIP in the layout of the Hub's ONNX exports to a bundle
    Import(ImportArguments),
    /// Print which model of a running server has decided on a line, and when
    History(Named),
}

pub fn run(command: &ModelCommand) -> anyhow::Result<()> {
    match command {
        ModelCommand::Inspect { folder, json } => inspect(folder, *json),
        ModelCommand::Verify { folder } => check(folder),
        ModelCommand::Measure(arguments) => measure::run(arguments),
        ModelCommand::Import(arguments) => import::run(arguments),
        ModelCommand::History(line) => history(line),
    }
}

fn inspect(folder: &Path, json: bool) -> anyhow::Result<()> {
    let bundle = Bundle::open_unverified(folder)?;
    let manifest = &bundle.manifest;
    if json {
        print_line!("{}", serde_json::to_string_pretty(manifest)?)?;
        return Ok(());
    }
    let (image, text) = (&manifest.image, &manifest.text);
    print_line!("{}: {}", manifest.name, manifest.description)?;
    print_line!("embeddings   {} wide", manifest.embedding_dim)?;
    print_line!(
        "images       {} x {} pixels, {:?}, {:?}",
        image.size[1],
        image.size[0],
        image.resize_mode,
        image.interpolation
    )?;
    print_line!(
        "texts        {} tokens, {:?} positions, padded to {:?}",
        text.context_length,
        text.positions,
        text.pad_to
    )?;
    print_line!(
        "similarity   {:?}, logit scale {:.2}, bias {:.2}",
        manifest.similarity.kind,
        manifest.similarity.logit_scale,
        manifest.similarity.logit_bias
    )?;
    for variant in &manifest.variants {
        let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "not measured".to_owned());
        print_line!(
            "{:<12} 1 - cosine to PyTorch at worst {}; benchmark {}; speed {}",
            variant.precision,
            or_unknown(variant.parity.map(|parity| format!(
                "{:.1e} (image), {:.1e} (text)",
                parity.image.worst, parity.text.worst
            ))),
            or_unknown(
                variant
                    .benchmark_delta
                    .map(|delta| format!("{delta:+.1} points"))
            ),
            or_unknown(variant.speedup.map(|times| format!("{times:.1} x fp32"))),
        )?;
    }
    if let Some(features) = &manifest.features {
        let strides = features.outputs.iter().map(|o| o.stride.to_string());
        print_line!(
            "features     {} x {} pixels, maps at strides {}; {} ({})",
            features.size[1],
            features.size[0],
            strides.collect::<Vec<_>>().join(", "),
            features.source,
            features.license
        )?;
    }
    for field in [
        "source",
        "recipe",
        "created",
        "code_revision",
        "data_fingerprint",
    ] {
        if let Some(value) = manifest
            .provenance
            .get(field)
            .and_then(|value| value.as_str())
        {
            print_line!("{:<12} {value}", field.replace('_', " "))?;
        }
    }
    print_line!("files        {}", manifest.files.len())?;
    Ok(())
}

fn check(folder: &Path) -> anyhow::Result<()> {
    let bundle = Bundle::open(folder)?;
    print_line!(
        "{}: the checksums of {} files are correct",
        bundle.manifest.name,
        bundle.manifest.files.len()
    )?;
    // A process loads one ONNX Runtime. The library with bf16 can also do everything else, so it must be loaded first.
    let mut variants: Vec<_> = bundle.manifest.variants.iter().collect();
    variants.sort_by_key(|variant| variant.precision != "bf16");
    for variant in variants {
        if let Some(reason) = unsupported_reason(&variant.precision, Device::Cpu)
            .filter(|_| variant.precision == "bf16")
        {
            print_line!("{}: not checked: {reason}", variant.precision)?;
            continue;
        }
        let distances = verify(&bundle, variant)?;
        let worst = distances
            .iter()
            .map(|(_, distance)| *distance)
            .fold(0.0, f64::max);
        print_line!(
            "{}: {} golden embeddings agree, largest 1 - cosine {worst:.1e} (allowed {:.1e})",
            variant.precision,
            distances.len(),
            variant.golden_tolerance
        )?;
    }
    if let Some(features) = &bundle.manifest.features {
        let distances = verify_features(&bundle)?;
        let worst = distances
            .iter()
            .map(|(_, distance)| *distance)
            .fold(0.0, f64::max);
        print_line!(
            "features: {} golden maps agree, largest relative distance {worst:.1e} (allowed {:.1e})",
            distances.len(),
            features.golden_tolerance
        )?;
    }
    Ok(())
}
