//! `clip-in eval`: runs benchmarks on a bundle, and compares results.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::embed::progress_bar;
use super::{block_on, load};
use crate::dataset::pipeline;
use crate::engine::EngineSettings;
use crate::eval::compare::{self, Terms};
use crate::eval::{
    AnomalyLayout, AnomalySet, Captions, Choice, Dataset, Layout, Report, Rules, Selection, Sheet,
    Wording, open_anomaly, run_anomaly,
};
use crate::terminal::unless_pipe_closed;

#[derive(Debug, Subcommand)]
pub enum EvalCommand {
    /// MMVP-VLM: PATH has Questions.csv and "MLLM_VLM Images/TYPE/ID.jpg"
    ///
    /// Pairs of images that differ in one thing. Both texts, with the prefix "a photo of ", must prefer their own image
    /// (text_to_image, the authors' rule and the headline); in addition, both images their own text (image_to_text). The
    /// mean is over the categories.
    Mmvp(Common),
    /// Winoground: PATH is the Hub's Parquet, or has examples.jsonl and images/
    Winoground {
        #[command(flatten)]
        common: Common,
        /// Column of the groups: tag, or collapsed_tag
        #[arg(long, value_name = "COLUMN", default_value = "tag")]
        by: String,
    },
    /// SugarCrepe: PATH has the seven JSON files
    Sugarcrepe {
        #[command(flatten)]
        common: Common,
        /// Folder of COCO's val2017 images
        #[arg(long, value_name = "DIR")]
        images: PathBuf,
    },
    /// Retrieval, both ways: recall at 1, 5 and 10 on COCO, Flickr30k, Urban1k, DCI, DOCCI, ShareGPT4V
    Retrieval {
        #[command(flatten)]
        common: Common,
        /// Layout of the data on disk
        #[arg(long)]
        layout: Layout,
        /// Folder of the images, if the data does not name it
        #[arg(long, value_name = "DIR")]
        images: Option<PathBuf>,
        /// Split of karpathy and docci
        #[arg(long, default_value = "test")]
        split: String,
        /// Read only the first N records
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        first: Option<u64>,
    },
    /// Classification by descriptions of the classes: PATH has a folder of images for each class
    Zeroshot {
        #[command(flatten)]
        common: Common,
        /// File with one template per line, {} for the name [default: "a photo of a {}."]
        #[arg(long, value_name = "FILE")]
        templates: Option<PathBuf>,
        /// JSON with the classes' names: {"folder": "name"}, or a list in the order of the folders [default: the folders' names, _ a
        /// blank]
        #[arg(long, value_name = "FILE")]
        classnames: Option<PathBuf>,
    },
    /// Pairs of edits: PATH is Parquet with UltraEdit's columns, or a folder of it
    ///
    /// source_image, edited_image, source_caption, target_caption (with --captions long, source_caption_long and target_caption_long),
    /// and category if there is one. Scored like mmvp, without a prefix.
    Pairs {
        #[command(flatten)]
        common: Common,
        /// Which captions to use
        #[arg(long, default_value = "short")]
        captions: Captions,
    },
    /// Few-shot anomaly detection: PATH is MVTec AD, AD 2 or LOCO, VisA, Real-IAD, or has a meta.json
    ///
    /// Good images of the training part are references, as for /v1/compare; nothing is set on defects. AUROC, PG2, PB2 and F1 over
    /// images, AU-PRO of the maps, and the time of a comparison. --plots writes the worst images with their maps, too.
    Anomaly {
        #[command(flatten)]
        common: Common,
        /// Layout of the data on disk
        #[arg(long)]
        layout: AnomalyLayout,
        /// Numbers of references
        #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,2,4")]
        shots: Vec<NonZeroUsize>,
        /// Number of seeds: each chooses other references
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
        seeds: u64,
        /// Categories to run [default: all]
        #[arg(long, value_name = "NAMES", value_delimiter = ',')]
        category: Vec<String>,
    },
    /// Compare results on the same data: a baseline, and one or more candidates
    Compare(CompareArguments),
}

#[derive(Debug, Args)]
#[command(
    after_help = "A tie is wrong in every benchmark. Intervals are 95 %, by percentile bootstrap over the benchmark's own unit (pairs inside \
    their categories, examples, images), with the gallery as it is. Broken records and images are named, left out, and make the exit \
    status 1 if they are more than --max-broken; the result is written all the same."
)]
pub struct Common {
    /// Folder of the bundle
    #[arg(long, env = "CLIP_IN_MODEL", default_value = "models/demo")]
    model: PathBuf,
    /// Precision to run at; auto selects as `serve` does
    #[arg(long, env = "CLIP_IN_PRECISION", default_value = "auto")]
    precision: String,
    /// The benchmark's data
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    /// Write the result as JSON, with the outcome of each item
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write plots of the result as SVG
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Score again with texts cut to these numbers of tokens (including start and end), and time each length: 8,16,32,77
    #[arg(long, value_name = "TOKENS", value_delimiter = ',')]
    lengths: Vec<usize>,
    /// Percentage of the records that may be broken
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    max_broken: f64,
    #[command(flatten)]
    resampling: ResamplingArguments,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct ResamplingArguments {
    /// Number of resamples for an interval
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    resamples: u64,
    /// Seed of the resampling
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl ResamplingArguments {
    fn resamples(self) -> usize {
        usize::try_from(self.resamples).unwrap_or(usize::MAX)
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "The rule: the exit status is 1 if a headline metric (marked *) of a protected benchmark is lower in a candidate than in the \
    baseline by more than --margin points, both over the items that both scored. Intervals and p-values are there to judge it by, and \
    do not change it. 2: a file is no result, two results of a benchmark are on different data, or a protected benchmark is missing in \
    a candidate. 0: else.\n\
    Headline metrics: mmvp and pairs text_to_image, anomaly auroc, winoground group, sugarcrepe macro, zeroshot top1, retrieval recall at 1 both ways \
    (for short and for long captions).\n\
    p: McNemar's exact test where a metric is the share of items that are right, else paired bootstrap."
)]
pub struct CompareArguments {
    /// The baseline: a result, or a folder of them
    baseline: PathBuf,
    /// Candidates: results, or folders of them, each compared with the baseline
    #[arg(required = true)]
    candidates: Vec<PathBuf>,
    /// Benchmarks that must not become worse [default: all of the baseline]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    protect: Option<Vec<String>>,
    /// Points by which a headline metric may be lower
    #[arg(long, value_name = "POINTS", default_value_t = 1.0)]
    margin: f64,
    /// Write the comparison as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    resampling: ResamplingArguments,
}

pub fn run(command: &EvalCommand) -> anyhow::Result<ExitCode> {
    let common = match command {
        EvalCommand::Compare(arguments) => return Ok(run_compare(arguments)),
        EvalCommand::Mmvp(common)
        | EvalCommand::Winoground { common, .. }
        | EvalCommand::Sugarcrepe { common, .. }
        | EvalCommand::Retrieval { common, .. }
        | EvalCommand::Zeroshot { common, .. }
        | EvalCommand::Pairs { common, .. }
        | EvalCommand::Anomaly { common, .. } => common,
    };
    let data = common.data.as_path();
    std::fs::metadata(data).with_context(|| format!("cannot read {}", data.display()))?;
    // Before the model is loaded, so that errors in the data or the output path are reported at once.
    if let Some(path) = &common.json {
        make_folder_of(path)?;
    }
    let (report, sheet) = match command {
        EvalCommand::Anomaly {
            layout,
            shots,
            seeds,
            category,
            ..
        } => {
            let set = open_anomaly(data, *layout, category)?;
            let choice = Choice {
                shots: shots.iter().map(|shots| shots.get()).collect(),
                seeds: *seeds,
            };
            let (report, sheet) = evaluate_anomaly(common, &set, &choice)?;
            (report, Some(sheet))
        }
        _ => (evaluate(common, open(command, data)?)?, None),
    };
    if let Some(path) = &common.json {
        report.write(path)?;
    }
    if let Some(folder) = &common.plots {
        for path in crate::eval::write_plots(&report, folder)? {
            message!("wrote {}", path.display());
        }
        if let Some(sheet) = sheet {
            message!("wrote {}", sheet.write(folder)?.display());
        }
    }
    // After the files, and a reader that has gone changes neither them nor the exit status.
    unless_pipe_closed(print_out!("{}", crate::eval::table(&report)))?;
    let broken = report.broken_percent();
    if broken > common.max_broken {
        message!(
            "clip-in: {broken:.2} % of the records are broken, --max-broken allows {} %",
            common.max_broken
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn make_folder_of(file: &Path) -> anyhow::Result<()> {
    let Some(folder) = file.parent() else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

fn open(command: &EvalCommand, data: &Path) -> anyhow::Result<Dataset> {
    match command {
        EvalCommand::Winoground { by, .. } => Dataset::winoground(data, by),
        EvalCommand::Sugarcrepe { images, .. } => Dataset::sugarcrepe(data, images),
        EvalCommand::Retrieval {
            layout,
            images,
            split,
            first,
            ..
        } => {
            let selection = Selection {
                layout: *layout,
                images: images.clone(),
                split: split.clone(),
                first: first.map(|first| usize::try_from(first).unwrap_or(usize::MAX)),
            };
            Dataset::retrieval(data, &selection)
        }
        EvalCommand::Zeroshot {
            templates,
            classnames,
            ..
        } => {
            let wording = Wording {
                templates: templates.clone(),
                classnames: classnames.clone(),
            };
            Dataset::zeroshot(data, &wording)
        }
        EvalCommand::Pairs { captions, .. } => Dataset::pairs(data, *captions),
        EvalCommand::Mmvp(_) | EvalCommand::Compare(_) | EvalCommand::Anomaly { .. } => {
            Dataset::mmvp(data)
        }
    }
}

fn evaluate_anomaly(
    common: &Common,
    set: &AnomalySet,
    choice: &Choice,
) -> anyhow::Result<(Report, Sheet)> {
    let settings = EngineSettings::default();
    let model = load(&common.model, &common.precision, &settings)?;
    let images: usize = set.categories.iter().map(|one| one.test.len()).sum();
    let runs = choice.shots.len() as u64 * choice.seeds;
    let progress = progress_bar(|| Some(images as u64 * runs));
    let rules = common.rules();
    let report = block_on(run_anomaly(&model, set, choice, &rules, &progress))?;
    model.stop();
    progress.finish_and_clear();
    report
}

impl Common {
    fn rules(&self) -> Rules {
        Rules {
            resamples: self.resampling.resamples(),
            seed: self.resampling.seed,
            lengths: self.lengths.clone(),
        }
    }
}

fn evaluate(common: &Common, dataset: Dataset) -> anyhow::Result<Report> {
    // Each text is embedded once, so the cache is off.
    let mut settings = EngineSettings {
        text_cache_bytes: 0,
        ..EngineSettings::default()
    };
    settings.queue_capacity = settings.queue_capacity.max(pipeline::at_a_time(&settings));
    let rules = common.rules();
    let model = load(&common.model, &common.precision, &settings)?;
    let progress = progress_bar(|| Some(dataset.embeddings() as u64));
    let report = block_on(crate::eval::run(
        &model, &settings, dataset, &rules, &progress,
    ))?;
    model.stop();
    progress.finish_and_clear();
    report
}

/// Results that cannot be compared have their own status: a gate must take them neither for a regression nor for a pass.
fn run_compare(arguments: &CompareArguments) -> ExitCode {
    let terms = Terms {
        protect: arguments.protect.clone(),
        margin: arguments.margin,
        resamples: arguments.resampling.resamples(),
        seed: arguments.resampling.seed,
    };
    let compared = compare::compare(&arguments.baseline, &arguments.candidates, &terms);
    let written = compared.and_then(|found| {
        if let Some(path) = &arguments.json {
            make_folder_of(path)?;
            let text = serde_json::to_string_pretty(&found)?;
            std::fs::write(path, text + "\n")
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        unless_pipe_closed(print_out!("{}", compare::table(&found, arguments.margin)))?;
        Ok(found)
    });
    match written {
        Err(error) => {
            message!("clip-in: {error:#}");
            ExitCode::from(2)
        }
        Ok(found) => ExitCode::from(u8::from(found.iter().any(|one| one.fell))),
    }
}
