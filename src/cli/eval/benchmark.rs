//! Benchmarks of images and texts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Shared;
use crate::cli::embed::progress_bar;
use crate::cli::{block_on, load};
use crate::dataset::pipeline;
use crate::engine::EngineSettings;
use crate::eval::{Captions, Dataset, Layout, Report, Selection, Wording};

#[derive(Debug, Subcommand)]
pub enum Benchmark {
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
    /// Statements about a change: PATH is Parquet of edits, or a folder of it; the source is the golden sample
    ///
    /// source_image, edited_image, and statements: a JSON list as in a request to /v1/compare, with true_statement, the index of the
    /// true one. Without statements, those of UltraEdit's columns: the edited image's caption stands among the next edits' ones.
    /// top_1 is the score of /v1/compare; beside it stand its parts alone, and the cosine without a golden sample.
    Changes {
        #[command(flatten)]
        common: Common,
        /// Which captions to use
        #[arg(long, default_value = "short")]
        captions: Captions,
        /// Number of other edits' captions, if the data has no statements
        #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1000))]
        others: u64,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "A tie is wrong in every benchmark. Intervals are 95 %, by percentile bootstrap over the benchmark's own unit (pairs inside \
    their categories, examples, images), with the gallery as it is. Broken records and images are named, left out, and make the exit \
    status 1 if they are more than --max-broken; the result is written all the same."
)]
pub struct Common {
    #[command(flatten)]
    shared: Shared,
    /// Score again with texts cut to these numbers of tokens (including start and end), and time each length: 8,16,32,77
    #[arg(long, value_name = "TOKENS", value_delimiter = ',')]
    lengths: Vec<usize>,
}

pub fn run(benchmark: &Benchmark) -> anyhow::Result<ExitCode> {
    let common = match benchmark {
        Benchmark::Mmvp(common)
        | Benchmark::Winoground { common, .. }
        | Benchmark::Sugarcrepe { common, .. }
        | Benchmark::Retrieval { common, .. }
        | Benchmark::Zeroshot { common, .. }
        | Benchmark::Pairs { common, .. }
        | Benchmark::Changes { common, .. } => common,
    };
    let shared = &common.shared;
    shared.check_paths()?;
    let report = evaluate(common, open(benchmark, &shared.data)?)?;
    shared.finish(&report, |_| Ok(None))
}

fn open(benchmark: &Benchmark, data: &Path) -> anyhow::Result<Dataset> {
    match benchmark {
        Benchmark::Winoground { by, .. } => Dataset::winoground(data, by),
        Benchmark::Sugarcrepe { images, .. } => Dataset::sugarcrepe(data, images),
        Benchmark::Retrieval {
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
        Benchmark::Zeroshot {
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
        Benchmark::Pairs { captions, .. } => Dataset::pairs(data, *captions),
        Benchmark::Changes {
            captions, others, ..
        } => Dataset::changes(
            data,
            *captions,
            usize::try_from(*others).unwrap_or(usize::MAX),
        ),
        Benchmark::Mmvp(_) => Dataset::mmvp(data),
    }
}

fn evaluate(common: &Common, dataset: Dataset) -> anyhow::Result<Report> {
    // Each text is embedded once, so the cache is off.
    let mut settings = EngineSettings {
        text_cache_bytes: 0,
        ..EngineSettings::default()
    };
    settings.queue_capacity = settings.queue_capacity.max(pipeline::at_a_time(&settings));
    let shared = &common.shared;
    let rules = shared.rules(&common.lengths);
    let model = load(&shared.model, &shared.precision, &settings)?;
    let progress = progress_bar(|| Some(dataset.embeddings() as u64));
    let report = block_on(crate::eval::run(
        &model, &settings, dataset, &rules, &progress,
    ))?;
    model.stop();
    progress.finish_and_clear();
    report
}
