//! What sources give their items to.

use indicatif::ProgressBar;
use tokio::sync::mpsc::Sender;

use crate::cli::embed::item::{Item, Kind};
use crate::cli::embed::met::{Meeting, Met};

/// What a source found.
#[derive(Debug)]
pub enum Found {
    /// Something to embed.
    Item(Item),
    /// Something that cannot be embedded.
    Broken {
        id: String,
        /// `image`, `text`, or what cannot be read: `folder`, `parquet`, `tar`.
        kind: &'static str,
        reason: String,
    },
}

/// Nobody takes items any more: the work has ended early.
#[derive(Debug)]
pub struct Closed;

/// What was left out, at the end.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Items of earlier runs.
    pub done: u64,
    /// Cells, files and lines with nothing in them.
    pub empty: u64,
}

/// Takes what sources find, in their order, and waits while enough is on its way.
pub struct Feed {
    met: Met,
    sender: Sender<Found>,
    progress: ProgressBar,
    tally: Tally,
}

impl Feed {
    pub fn new(met: Met, sender: Sender<Found>, progress: ProgressBar) -> Self {
        Self {
            met,
            sender,
            progress,
            tally: Tally::default(),
        }
    }

    /// Whether an item should be read and handed over. Asked once for each item.
    pub fn wants(&mut self, kind: Kind, id: &str) -> Result<bool, Closed> {
        match self.met.meet(kind, id) {
            Meeting::New => Ok(true),
            Meeting::Done => {
                self.tally.done += 1;
                self.progress.inc(1);
                Ok(false)
            }
            Meeting::Again => {
                let reason = format!(
                    "another {} of this id came before; make the ids unique, or embed into several outputs",
                    kind.name()
                );
                self.broken(id, kind.name(), reason)?;
                Ok(false)
            }
        }
    }

    /// Hands over an item that was wanted.
    pub fn item(&mut self, item: Item) -> Result<(), Closed> {
        self.send(Found::Item(item))
    }

    /// Reports what cannot be embedded.
    pub fn broken(
        &mut self,
        id: impl Into<String>,
        kind: &'static str,
        reason: impl Into<String>,
    ) -> Result<(), Closed> {
        let (id, reason) = (id.into(), reason.into());
        self.send(Found::Broken { id, kind, reason })
    }

    /// Counts a place for an item that has nothing in it.
    pub fn empty(&mut self) {
        self.tally.empty += 1;
        self.progress.inc(1);
    }

    /// What was left out so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn send(&self, found: Found) -> Result<(), Closed> {
        self.sender.blocking_send(found).map_err(|_| Closed)
    }
}
