//! Receives the items of the sources.

use indicatif::ProgressBar;

use crate::cli::embed::item::{Item, Kind};
use crate::cli::embed::seen::{ItemState, SeenItems};
use crate::cli::embed::shard::{Owner, Share};
use crate::dataset::left_out::LeftOut;
use crate::dataset::pipeline::{Closed, Sender};
use crate::dataset::store::Faults;

/// An event from a source.
#[derive(Debug)]
pub enum SourceEvent {
    /// Something to embed.
    Item(Item),
    /// Something that cannot be embedded.
    Broken {
        id: String,
        /// `image`, `text`, or what cannot be read: `folder`, `file`, `parquet`, `tar`, `member`.
        kind: &'static str,
        reason: String,
    },
}

/// Counts of what was left out.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Number of items of earlier runs.
    pub done: u64,
    /// Number of empty cells, files and lines.
    pub empty: u64,
    /// Files and members without an item.
    pub left_out: LeftOut,
}

impl Tally {
    /// Prints the counts.
    pub fn tell(&self) {
        if self.done > 0 {
            message!("{} items were done before", self.done);
        }
        if self.empty > 0 {
            message!("{} empty lines or cells were left out", self.empty);
        }
        if self.left_out.count > 0 {
            message!(
                "{} files or members that are hidden, or hold no image or text, were left out: {}",
                self.left_out.count,
                self.left_out.named()
            );
        }
    }
}

/// Receives the items of the sources in order, and blocks while enough is in flight.
pub struct Feed {
    seen: SeenItems,
    sender: Sender<SourceEvent>,
    progress: ProgressBar,
    tally: Tally,
    faults: Faults,
    share: Option<Share>,
    /// Whether there is one source only.
    alone: bool,
    /// Bytes of the input before the current file.
    before: u64,
    /// Bytes of the current file.
    bytes: u64,
    owner: Owner,
}

impl Feed {
    /// Receives everything, or a shard of it; `alone` means that there is one source only.
    pub fn new(
        seen: SeenItems,
        share: Option<Share>,
        alone: bool,
        faults: Faults,
        sender: Sender<SourceEvent>,
        progress: ProgressBar,
    ) -> Self {
        Self {
            seen,
            sender,
            progress,
            tally: Tally::default(),
            faults,
            share,
            alone,
            before: 0,
            bytes: 0,
            owner: Owner::This,
        }
    }

    /// Begins the next file of the input with the given size, and returns the owner of its beginning. Every file of the
    /// survey must be begun, in the same order.
    pub fn file(&mut self, bytes: u64) -> Owner {
        self.before = self.before.saturating_add(self.bytes);
        self.bytes = bytes;
        self.at(0)
    }

    /// Moves to a place in the file, in bytes from its beginning, and returns its owner. Items there are taken, listed and
    /// counted if they belong to this shard. For an earlier shard, only ids are stored, so that their second occurrence is
    /// recognised.
    pub fn at(&mut self, place: u64) -> Owner {
        let place = place.min(self.bytes.saturating_sub(1));
        self.owner = self.owner_at(place);
        self.owner
    }

    /// The owner of the last byte of the file.
    pub fn end(&self) -> Owner {
        self.owner_at(self.bytes.saturating_sub(1))
    }

    /// Whether a source whose ids are all different can skip the units of earlier shards: no other source may have the same
    /// ids.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    fn owner_at(&self, place: u64) -> Owner {
        match self.share {
            None => Owner::This,
            Some(share) => share.owner_of(self.before.saturating_add(place)),
        }
    }

    /// Whether an item should be read and sent. Called once for each item.
    pub fn wants(&mut self, kind: Kind, id: &str) -> Result<bool, Closed> {
        match (self.seen.see(kind, id), self.owner) {
            (_, Owner::Earlier | Owner::Later) => Ok(false),
            (ItemState::New, Owner::This) => Ok(true),
            (ItemState::Done, Owner::This) => {
                self.tally.done += 1;
                self.progress.inc(1);
                Ok(false)
            }
            (ItemState::Again, Owner::This) => {
                let reason = format!(
                    "another {} of this id came before; make the ids unique, or embed into several outputs",
                    kind.name()
                );
                self.broken(id, kind.name(), reason)?;
                Ok(false)
            }
        }
    }

    /// Sends a wanted item.
    pub fn item(&mut self, item: Item) -> Result<(), Closed> {
        self.send(SourceEvent::Item(item))
    }

    /// Reports an item that cannot be embedded.
    pub fn broken(
        &mut self,
        id: impl Into<String>,
        kind: &'static str,
        reason: impl Into<String>,
    ) -> Result<(), Closed> {
        // The store failed, not the file. This ends the run, and the error is returned at its end.
        if self.faults.first().is_some() {
            return Err(Closed);
        }
        if self.owner != Owner::This {
            return Ok(());
        }
        let (id, reason) = (id.into(), reason.into());
        self.send(SourceEvent::Broken { id, kind, reason })
    }

    /// Counts an empty place for an item.
    pub fn empty(&mut self) {
        if self.owner == Owner::This {
            self.tally.empty += 1;
            self.progress.inc(1);
        }
    }

    /// Counts a file or member without an item.
    pub fn leave_out(&mut self, name: &str) {
        if self.owner == Owner::This {
            self.tally.left_out.add(name);
        }
    }

    /// Counts of what was left out.
    pub fn into_tally(self) -> Tally {
        self.tally
    }

    fn send(&self, found: SourceEvent) -> Result<(), Closed> {
        self.sender.send(found)
    }
}
