//! One worker's share of the input.
//!
//! All files of the input, in order, form one range of bytes, which is divided into as many equal parts as there are shards.
//! A unit of reading (an image file, a tar, a row group of a Parquet file, a line) belongs to the shard in whose part it
//! begins. So each unit has one owner for any number of shards, a worker reads little more than its own part, and the
//! concatenated outputs are in the order of a run without shards. If each worker took every n-th item instead, it would have
//! to read nearly everything.

use std::fmt;
use std::str::FromStr;

/// The index and the number of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// At least 1.
    pub of: u32,
}

/// More would fit neither into an output's name nor into a cluster.
const MOST: u32 = 99_999;

impl Shard {
    /// The whole input.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// The name of its output.
    pub fn file_name(self) -> String {
        format!("part-{:05}-of-{:05}.parquet", self.index, self.of)
    }

    /// The number of shards of the run to which an output of this name belongs; None if it is not such a name.
    pub fn count_in(name: &str) -> Option<u32> {
        let name = name.strip_prefix("part-")?.strip_suffix(".parquet")?;
        let (index, of) = name.split_once("-of-")?;
        let whole = |digits: &str| {
            let five = digits.len() == 5 && digits.bytes().all(|digit| digit.is_ascii_digit());
            five.then(|| digits.parse().ok()).flatten()
        };
        whole(index).and(whole(of))
    }

    /// The shard that owns what begins at byte `start` of an input of `total` bytes.
    fn owner(self, start: u64, total: u64) -> u32 {
        let owner = (u128::from(start) * u128::from(self.of))
            .checked_div(u128::from(total))
            .unwrap_or(0);
        // An empty unit at the very end begins after the last part.
        u32::try_from(owner).unwrap_or(u32::MAX).min(self.of - 1)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = || {
            let (index, of) = text.split_once('/')?;
            Some((index.parse().ok()?, of.parse().ok()?))
        };
        let Some((index, of)) = numbers() else {
            return Err("write INDEX/COUNT, such as 0/16: the index counts from 0".to_owned());
        };
        if of == 0 || of > MOST {
            return Err(format!("the count must be between 1 and {MOST}"));
        }
        if index >= of {
            return Err(format!(
                "the index counts from 0: with {of} shards it is at most {}",
                of - 1
            ));
        }
        Ok(Self { index, of })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// The owner of a unit of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// An earlier shard.
    Earlier,
    /// This shard.
    This,
    /// A later shard.
    Later,
}

/// A shard of an input of known size.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub shard: Shard,
    /// Bytes of the whole input.
    pub total: u64,
}

impl Share {
    /// The owner of the unit that begins at byte `start`.
    pub fn owner_of(self, start: u64) -> Owner {
        match self.shard.owner(start, self.total).cmp(&self.shard.index) {
            std::cmp::Ordering::Less => Owner::Earlier,
            std::cmp::Ordering::Equal => Owner::This,
            std::cmp::Ordering::Greater => Owner::Later,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_owner_and_owners_are_in_order() {
        for total in [0_u64, 1, 7, 100, u64::MAX] {
            for of in [1_u32, 2, 3, 16, 101] {
                let starts = (0..=50_u64).map(|i| total / 50 * i).chain([total]);
                let owners: Vec<_> = starts
                    .map(|start| Shard { index: 0, of }.owner(start, total))
                    .collect();
                assert!(owners.is_sorted() && owners.iter().all(|owner| *owner < of));
                for (start, owner) in [(0, 0), (total, if total == 0 { 0 } else { of - 1 })] {
                    let mine = (0..of).filter(|&index| {
                        let shard = Shard { index, of };
                        Share { shard, total }.owner_of(start) == Owner::This
                    });
                    assert_eq!(mine.collect::<Vec<_>>(), [owner]);
                }
            }
        }
    }

    #[test]
    fn names_and_words() {
        let shard: Shard = "3/16".parse().unwrap();
        assert_eq!(shard.file_name(), "part-00003-of-00016.parquet");
        assert_eq!(Shard::count_in(&shard.file_name()), Some(16));
        for other in [
            "part-3-of-16.parquet",
            "x.parquet",
            "part-00003-of-00016.parquet.writing",
        ] {
            assert_eq!(Shard::count_in(other), None);
        }
        for wrong in ["16/16", "0/0", "1", "-1/4", "a/b", "1/100000"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
