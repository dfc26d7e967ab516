//! Train, validation or test: by the part alone, so that more data never moves it.

use sha2::{Digest as _, Sha256};

/// A part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Split {
    /// 70 % of the parts.
    Train,
    /// 15 %: chooses settings.
    Validation,
    /// 15 %: what is reported.
    Test,
}

impl Split {
    /// All, in the order of their use.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The split of a part, by its name or by the hash of its images.
    pub fn of(part: &str) -> Self {
        let digest = Sha256::digest(format!("split of {part}"));
        // 0 to 65,535, each as often as the others.
        let [first, second, ..] = <[u8; 32]>::from(digest);
        match u32::from(first) * 256 + u32::from(second) {
            0..45_875 => Self::Train,
            45_875..55_706 => Self::Validation,
            _ => Self::Test,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// Its file.
    pub fn file(self) -> String {
        format!("{}.parquet", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_that_are_documented_and_a_part_stays_where_it_is() {
        let count = |wanted| {
            let parts = (0..10_000).map(|number| Split::of(&format!("part-{number}")));
            parts.filter(|split| *split == wanted).count()
        };
        let [train, validation, test] = Split::ALL.map(count);
        assert_eq!(train + validation + test, 10_000);
        assert!((6_800..7_200).contains(&train), "{train}");
        assert!((1_350..1_650).contains(&validation), "{validation}");
        // Written down: another rule would move parts from training to test between two exports.
        let splits = (1..=12).map(|number| Split::of(&format!("bolt-{number}")).name());
        let known = [
            "train",
            "train",
            "train",
            "test",
            "train",
            "validation",
            "train",
            "validation",
            "train",
            "test",
            "train",
            "train",
        ];
        assert_eq!(splits.collect::<Vec<_>>(), known);
    }
}
