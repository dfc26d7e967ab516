//! `clip-in watch`: has the images inspected that a camera writes into a folder.
//!
//! ```text
//! listing → known (whole?) → ready (in order) → worker (request → record → move)
//! ```
//!
//! The folder is listed again and again, because network shares report no changes. A file is moved only after its answer is on
//! disk, and is sent with a key of its name and content: whatever a kill interrupts is repeated with the same result.

mod folders;
mod known;
mod listing;
mod name_fields;
mod ready;
mod request;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;

use self::folders::Folders;
use self::known::Known;
use self::listing::Stamp;
use self::name_fields::NameFields;
use self::ready::Ready;
use self::request::Line;
use self::worker::{Counts, Event, Worker};
use super::line_server::LineServer;

/// Requests at the same time, if nothing else is said.
const PARALLEL: usize = 2;

/// The shortest pause between two looks into the folder.
const SHORTEST_POLL: Duration = Duration::from_millis(10);

#[derive(Debug, Args)]
pub struct WatchArguments {
    /// Folder that the camera writes into
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Name of the line
    #[arg(long, value_name = "NAME")]
    line: String,
    #[command(flatten)]
    server: LineServer,
    /// Seconds for which a file's size and time must not change before it is sent
    #[arg(long, default_value = "0.5", value_name = "SECONDS", value_parser = seconds)]
    settle: Duration,
    /// Seconds between two looks into the folder
    #[arg(long, default_value = "0.2", value_name = "SECONDS", value_parser = seconds)]
    poll: Duration,
    /// Seconds that a file which the server refuses may take to change; then it is sent once again, and refused
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    patience: Duration,
    /// Requests at the same time, 1 to 64. With 1, files are inspected in the order of their times and names [default: 2; 1 if
    /// names have trigger numbers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    parallel: Option<u8>,
    /// Look into the folders in it too. Their names are kept below those of inspected and refused files
    #[arg(long)]
    recursive: bool,
    /// End as soon as no image is left
    #[arg(long)]
    once: bool,
    /// Folder for inspected files, in the same file system [default: done in DIR]
    #[arg(long, value_name = "DIR")]
    done: Option<PathBuf>,
    /// Folder for files that the server refuses, in the same file system [default: refused in DIR]
    #[arg(long, value_name = "DIR")]
    refused: Option<PathBuf>,
    /// Regular expression whose named groups part, lot, station and trigger are found in a file's name, such as
    /// '_(?<trigger>[0-9]+)\.'. Without it, or without a part, the name without its ending is the part
    #[arg(long, value_name = "REGEX")]
    part_from_name: Option<NameFields>,
}

impl WatchArguments {
    /// Requests at the same time. With several of them the server would see trigger numbers out of order, and report pictures
    /// as missed.
    fn parallel(&self) -> anyhow::Result<usize> {
        let has_trigger = self
            .part_from_name
            .as_ref()
            .is_some_and(NameFields::has_trigger);
        match self.parallel.map(usize::from) {
            Some(more) if more > 1 && has_trigger => bail!(
                "--parallel {more}: trigger numbers must reach the server in order, so only one request is possible at a time"
            ),
            Some(given) => Ok(given),
            None if has_trigger => Ok(1),
            None => Ok(PARALLEL),
        }
    }
}

/// Runs the command until a signal, or with `--once` until nothing is left.
///
/// # Errors
/// What somebody has to do something about. Nothing is lost: the next run continues.
pub fn run(arguments: &WatchArguments) -> anyhow::Result<()> {
    let parallel = arguments.parallel()?;
    let (done, refused) = (arguments.done.as_deref(), arguments.refused.as_deref());
    let folders = Folders::open(&arguments.folder, done, refused, arguments.recursive)?;
    let pattern = arguments.part_from_name.as_ref();
    let line = Line::new(&arguments.server, &arguments.line, pattern)?;
    let ready = Arc::new(Ready::default());
    let (sender, events) = channel();
    end_on_signal(ready.clone(), sender.clone())?;
    line.check()?;
    let counts = Counts::default();
    let mut ended = thread::scope(|scope| {
        for number in 0..parallel {
            let worker = Worker {
                folders: &folders,
                line: &line,
                ready: &ready,
                counts: &counts,
                events: sender.clone(),
            };
            let named = thread::Builder::new().name(format!("watch-{number}"));
            let started = named.spawn_scoped(scope, || worker.run());
            if let Err(error) = started {
                ready.end();
                return Err(error).context("cannot start a thread");
            }
        }
        let ended = watch(arguments, &folders, &ready, &events);
        ready.end();
        ended
    });
    for event in events.try_iter() {
        if let Event::Failed(error) = event {
            ended = ended.and(Err(error));
        }
    }
    message!(
        "{} answered, {} refused, {} retried",
        counts.answered.load(Ordering::Relaxed),
        counts.refused.load(Ordering::Relaxed),
        counts.retried.load(Ordering::Relaxed),
    );
    ended
}

/// Looks into the folder until the end.
fn watch(
    arguments: &WatchArguments,
    folders: &Folders,
    ready: &Ready,
    events: &Receiver<Event>,
) -> anyhow::Result<()> {
    let mut known = Known::new(arguments.settle, arguments.patience);
    let mut trouble = None;
    loop {
        let began = Instant::now();
        let now = match listed(folders, &known) {
            Ok((listed, unread)) => {
                ready.add(known.listed(listed, began, Instant::now()));
                unread
            }
            Err(error) => {
                let folder = arguments.folder.display();
                Some(format!("cannot read {folder}: {error}"))
            }
        };
        match (&now, arguments.once) {
            (Some(now), true) => bail!("{now}"),
            (None, true) if known.is_empty() => return Ok(()),
            (Some(now), _) if trouble.as_ref() != Some(now) => {
                message!("clip-in: {now}; trying again until it can be read");
            }
            _ => {}
        }
        trouble = now;
        let until = Instant::now() + arguments.poll.max(SHORTEST_POLL);
        loop {
            if ready.is_ended() {
                return Ok(());
            }
            match events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Event::Finished(task, outcome)) => {
                    known.finished(&task, outcome, Instant::now());
                }
                Ok(Event::Failed(error)) => return Err(error),
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
    }
}

type Listed = (Vec<(PathBuf, Option<Stamp>)>, Option<String>);

/// The images with the attributes that are needed.
fn listed(folders: &Folders, known: &Known) -> std::io::Result<Listed> {
    let found = folders.images()?;
    let stamped = |name: PathBuf| {
        let stamp = known.needs_stamp(&name).then(|| stamp_of(folders, &name));
        (name, stamp.flatten())
    };
    Ok((
        found.images.into_iter().map(stamped).collect(),
        found.trouble,
    ))
}

/// `None` if the file was removed since it was listed, or cannot be looked at.
fn stamp_of(folders: &Folders, name: &Path) -> Option<Stamp> {
    Stamp::of(&folders.path(name)).ok()
}

/// The first signal ends the command after the requests that are under way, the second one at once: nothing is lost then.
fn end_on_signal(ready: Arc<Ready>, events: Sender<Event>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut terminate, mut interrupt) = {
        let _entered = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    let wait = move || {
        runtime.block_on(async {
            tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
            ready.end();
            let _ = events.send(Event::Stop);
            message!("clip-in: ending after the requests that are under way");
            tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
        });
        std::process::exit(1);
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)?;
    Ok(())
}

/// Reads a number of seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: Option<f64> = text.parse().ok();
    let allowed = number.filter(|number| (0.0..=86_400.0).contains(number));
    let duration = allowed.and_then(|number| Duration::try_from_secs_f64(number).ok());
    duration.ok_or_else(|| "a number of seconds from 0 to 86400".to_owned())
}
