//! The receiver of the sources' items.

use indicatif::ProgressBar;

use crate::cli::embed::item::{Item, Kind};
use crate::cli::embed::seen::{Seen, SeenItems};
use crate::cli::embed::shard::{Owner, Share};
use crate::dataset::left_out::LeftOut;
use crate::dataset::pipeline::{Closed, Sender};
use crate::dataset::store::Faults;

/// What a source found.
#[derive(Debug)]
pub enum Found {
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

/// What was left out, at the end.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Items of earlier runs.
    pub done: u64,
    /// Cells, files and lines with nothing in them.
    pub empty: u64,
    /// Files and members that hold no item.
    pub left_out: LeftOut,
}

impl Tally {
    /// Tells the user.
    pub fn tell(&self) {
        if self.done > 0 {
            eprintln!("{} items were done before", self.done);
        }
        if self.empty > 0 {
            eprintln!("{} empty lines or cells were left out", self.empty);
        }
        if self.left_out.count > 0 {
            eprintln!(
                "{} files or members that are hidden, or hold no image or text, were left out: {}",
                self.left_out.count,
                self.left_out.named()
            );
        }
    }
}

/// Takes what sources find, in their order, and waits while enough is on its way.
pub struct Feed {
    seen: SeenItems,
    sender: Sender<Found>,
    progress: ProgressBar,
    tally: Tally,
    faults: Faults,
    share: Option<Share>,
    /// Whether there is one source only.
    alone: bool,
    /// Bytes of the input before the file that is read.
    before: u64,
    /// Bytes of that file.
    bytes: u64,
    owner: Owner,
}

impl Feed {
    /// Takes everything, or a share of it; `alone` says that one source gives all of it.
    pub fn new(
        seen: SeenItems,
        share: Option<Share>,
        alone: bool,
        faults: Faults,
        sender: Sender<Found>,
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

    /// Begins the next file of the input, of so many bytes, and says whose its beginning is. Every file that the survey saw must
    /// be begun, in the same order.
    pub fn file(&mut self, bytes: u64) -> Owner {
        self.before = self.before.saturating_add(self.bytes);
        self.bytes = bytes;
        self.at(0)
    }

    /// Goes to a place in the file, in bytes from its beginning, and says whose it is. What is found there is taken, listed and
    /// counted if it is this shard's. If it is an earlier one's, ids are remembered, so that their second appearance is not taken
    /// for a first one, and nothing else happens.
    pub fn at(&mut self, place: u64) -> Owner {
        let place = place.min(self.bytes.saturating_sub(1));
        self.owner = self.owner_at(place);
        self.owner
    }

    /// Whose the last byte of the file is.
    pub fn end(&self) -> Owner {
        self.owner_at(self.bytes.saturating_sub(1))
    }

    /// Whether a source, all of whose ids differ from one another, can pass by the units of earlier shards: no other source can
    /// have the same ids.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    fn owner_at(&self, place: u64) -> Owner {
        match self.share {
            None => Owner::This,
            Some(share) => share.owner_of(self.before.saturating_add(place)),
        }
    }

    /// Whether an item should be read and handed over. Asked once for each item.
    pub fn wants(&mut self, kind: Kind, id: &str) -> Result<bool, Closed> {
        match (self.seen.see(kind, id), self.owner) {
            (_, Owner::Earlier | Owner::Later) => Ok(false),
            (Seen::New, Owner::This) => Ok(true),
            (Seen::Done, Owner::This) => {
                self.tally.done += 1;
                self.progress.inc(1);
                Ok(false)
            }
            (Seen::Again, Owner::This) => {
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
        // The store failed and not the file: this ends the run, and is told of at its end.
        if self.faults.first().is_some() {
            return Err(Closed);
        }
        if self.owner != Owner::This {
            return Ok(());
        }
        let (id, reason) = (id.into(), reason.into());
        self.send(Found::Broken { id, kind, reason })
    }

    /// Counts a place for an item that has nothing in it.
    pub fn empty(&mut self) {
        if self.owner == Owner::This {
            self.tally.empty += 1;
            self.progress.inc(1);
        }
    }

    /// Counts a file or member that holds no item.
    pub fn leave_out(&mut self, name: &str) {
        if self.owner == Owner::This {
            self.tally.left_out.add(name);
        }
    }

    /// What was left out.
    pub fn into_tally(self) -> Tally {
        self.tally
    }

    fn send(&self, found: Found) -> Result<(), Closed> {
        self.sender.send(found)
    }
}
