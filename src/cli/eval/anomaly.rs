//! Few-shot anomaly detection.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::Args;

use super::Shared;
use crate::cli::embed::progress_bar;
use crate::cli::image_arguments::resolution;
use crate::cli::{block_on, load};
use crate::engine::EngineSettings;
use crate::eval::{AnomalyLayout, Choice, open_anomaly, run_anomaly};

#[derive(Debug, Args)]
#[command(
    after_help = "A tie of a good and a defective image counts as a half. Intervals are 95 %, by percentile bootstrap over the test images \
    inside their categories; references stay as they are. Broken images are named, left out, and make the exit status 1 if they are more \
    than --max-broken; the result is written all the same."
)]
pub struct AnomalyArguments {
    #[command(flatten)]
    shared: Shared,
    /// Layout of the data on disk
    #[arg(long)]
    layout: AnomalyLayout,
    /// Numbers of references
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,2,4")]
    shots: Vec<NonZeroUsize>,
    /// Number of seeds: each chooses other references
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Side of a square, in pixels: pictures are compared with as many pixels as it has [default: the model's]
    #[arg(long, value_name = "PIXELS", value_parser = resolution())]
    resolution: Option<u32>,
    /// Categories to run [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    category: Vec<String>,
}

pub fn run(arguments: &AnomalyArguments) -> anyhow::Result<ExitCode> {
    let shared = &arguments.shared;
    shared.check_paths()?;
    let set = open_anomaly(&shared.data, arguments.layout, &arguments.category)?;
    let choice = Choice {
        shots: arguments.shots.iter().map(|shots| shots.get()).collect(),
        seeds: arguments.seeds,
        resolution: arguments.resolution,
    };
    let model = load(&shared.model, &shared.precision, &EngineSettings::default())?;
    let images: usize = set.categories.iter().map(|one| one.test.len()).sum();
    let comparisons = images as u64 * choice.shots.len() as u64 * choice.seeds;
    let progress = progress_bar(|| Some(comparisons));
    let rules = shared.rules(&[]);
    let found = block_on(run_anomaly(&model, &set, &choice, &rules, &progress))?;
    model.stop();
    progress.finish_and_clear();
    let (report, sheet) = found?;
    shared.finish(&report, |folder| sheet.write(folder).map(Some))
}
