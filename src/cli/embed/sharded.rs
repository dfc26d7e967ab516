//! One worker of several, each with its own output: a shard is completed once, as a whole.
//!
//! The output records its model, inputs and shard. A worker that is started again finds a complete output with the same
//! record and has nothing to do. So a cluster can start and kill workers at any time.

use std::collections::HashMap;

use anyhow::bail;
use sha2::{Digest, Sha256};

use super::flow::Work;
use super::output::finished::{self, OutputState};
use super::output::{Earlier, Output};
use super::shard::{Shard, Share};
use super::survey::{Surveyed, hexadecimal};
use super::target::Target;
use super::{EmbedArguments, Prepared, most_bytes, sources};
use crate::dataset::store::{Patience, Place, Stores};
use crate::engine::Model;

/// Processes one shard, unless it is complete.
pub fn run(
    arguments: &EmbedArguments,
    shard: Shard,
    out: Place,
    mut stores: Stores,
) -> anyhow::Result<()> {
    let target = Target::open(out, shard, arguments.scratch.as_deref())?;
    target.refuse_other_counts()?;
    let most = most_bytes();
    let sources = sources::open(&arguments.inputs, &arguments.columns, most, &mut stores)?;
    let surveyed = sources::survey(&sources)?;
    let prepared = Prepared::new(arguments)?;
    let made_by = made_by(&prepared.model, &surveyed, shard, arguments);
    let shown = target.shown();
    if let Some(blob) = target.found()? {
        let found = finished::look(&blob, &made_by);
        // A store that does not answer does not mean that the file is damaged.
        if let Some(fault) = stores.faults().first() {
            bail!("{fault}");
        }
        match found {
            OutputState::Finished { rows, failed } => {
                message!("already done: {rows} embeddings are in {shown}");
                prepared.model.stop();
                return arguments.strict(failed);
            }
            OutputState::Damaged(why) => {
                message!("{shown} is damaged and is written again: {why}")
            }
            OutputState::Other(what) if arguments.overwrite => {
                message!("{shown} is {what} and is replaced");
            }
            OutputState::Other(what) => bail!(
                "{shown} is {what} and stays unchanged; name another --out, or replace it with --overwrite"
            ),
        }
    }
    let width = prepared.model.manifest().embedding_dim;
    let file = target.file();
    let (mut output, seen) = Output::open(&file, made_by, width, Earlier::PartsIfSame)?;
    let total = surveyed.bytes;
    let work = Work {
        sources,
        seen,
        share: Some(Share { shard, total }),
        faults: stores.faults(),
    };
    let outcome = prepared.embed(work, &mut output, None)?;
    // Shards that saw different inputs would repeat items or lack some.
    let mut again = Stores::new(Patience::RUN);
    let sources = sources::open(&arguments.inputs, &arguments.columns, most, &mut again)?;
    if sources::survey(&sources)? != surveyed {
        bail!(
            "the inputs have changed while they were read, so nothing is written; start again when nobody writes there (--out must not be among them)"
        );
    }
    let rows = output.finish(outcome.failed)?;
    target.publish()?;
    outcome.left_out.tell();
    message!("{rows} embeddings are in {shown}");
    if outcome.failed > 0 {
        let failed = outcome.failed;
        message!("{failed} items could not be embedded: see {shown}.errors.jsonl");
    }
    arguments.strict(outcome.failed as u64)
}

/// Everything that determines the output, for its key-value metadata. Two outputs with equal metadata have the same rows.
fn made_by(
    model: &Model,
    surveyed: &Surveyed,
    shard: Shard,
    arguments: &EmbedArguments,
) -> HashMap<String, String> {
    let columns = format!("{:?}", arguments.columns);
    let decides = [
        ("model", model.name().to_owned()),
        ("model_content", model.fingerprint().to_owned()),
        ("precision", model.precision().to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("inputs", surveyed.digest.clone()),
        ("columns", columns),
    ];
    let images = arguments.images.said().map(|said| ("images", said));
    let decides: Vec<_> = decides.into_iter().chain(images).collect();
    let mut digest = Sha256::new();
    for (key, value) in &decides {
        digest.update(format!("{key}={};{value}", value.len()));
    }
    let job = ("job", hexadecimal(digest));
    let shard = ("shard", shard.to_string());
    let pairs = decides.into_iter().chain([job, shard]);
    pairs
        .map(|(key, value)| (format!("clip_in_{key}"), value))
        .collect()
}
