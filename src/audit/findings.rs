//! Findings: for each check the count, the number of things checked, and the first examples.

use std::collections::BTreeMap;

use serde::Serialize;

/// Number of examples per check in the JSON report.
const MOST_EXAMPLES: usize = 1000;

/// The checks, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Images of --against that are in the training set
    Leak,
    /// Captions of --against that are in the training set
    LeakCaptions,
    /// Files, images and captions that cannot be used
    Broken,
    /// Files and members that training does not read
    LeftOut,
    /// Pairs whose image or caption does not change
    Unchanged,
    /// Pairs whose captions fit better when swapped
    Swapped,
    /// Images with the bytes of an earlier record's image
    Duplicates,
    /// Images that the model finds similar to an image of another record
    NearDuplicates,
    /// Captions of an earlier record
    DuplicateCaptions,
    /// Captions that are longer than the model's context
    Truncated,
    /// Words that nearly always stand on one side only
    OneSided,
    /// Pairs that UltraEdit's own filter would have left out
    Quality,
}

impl Check {
    /// All checks, in the order of the report.
    pub const ALL: [Self; 12] = [
        Self::Leak,
        Self::LeakCaptions,
        Self::Broken,
        Self::LeftOut,
        Self::Unchanged,
        Self::Swapped,
        Self::Duplicates,
        Self::NearDuplicates,
        Self::DuplicateCaptions,
        Self::Truncated,
        Self::OneSided,
        Self::Quality,
    ];

    /// The name for `--fail-on`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::LeakCaptions => "leak-captions",
            Self::Broken => "broken",
            Self::LeftOut => "left-out",
            Self::Unchanged => "unchanged",
            Self::Swapped => "swapped",
            Self::Duplicates => "duplicates",
            Self::NearDuplicates => "near-duplicates",
            Self::DuplicateCaptions => "duplicate-captions",
            Self::Truncated => "truncated",
            Self::OneSided => "one-sided",
            Self::Quality => "quality",
        }
    }

    /// What the check counts.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Leak => "images of --against",
            Self::LeakCaptions => "captions of --against",
            Self::Broken => "files, images and captions",
            Self::LeftOut => "files and members",
            Self::Unchanged | Self::Swapped | Self::Quality => "pairs",
            Self::Duplicates | Self::NearDuplicates => "images",
            Self::DuplicateCaptions | Self::Truncated => "captions",
            Self::OneSided => "words",
        }
    }
}

/// One example of a finding.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Example {
    /// The place.
    pub at: String,
    /// The second place, if the finding concerns two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// The kind of finding, for checks with several kinds: `same_bytes`, `missing_image`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// A description for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// A cosine, or a margin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f32>,
}

/// The findings of one check.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Finding {
    /// Number of findings.
    pub count: u64,
    /// Number of things that were checked.
    pub of: u64,
    /// count ÷ of; 0 if nothing was checked.
    pub share: f64,
    /// Counts by kind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<&'static str, u64>,
    /// The first examples, at most 1000.
    pub examples: Vec<Example>,
}

impl Finding {
    /// Adds a finding of these kinds. The example is only created if it is stored.
    pub fn note(&mut self, kinds: &[&'static str], example: impl FnOnce() -> Example) {
        self.count += 1;
        for kind in kinds {
            *self.kinds.entry(kind).or_default() += 1;
        }
        if self.examples.len() < MOST_EXAMPLES {
            let kind = kinds.first().copied();
            self.examples.push(Example { kind, ..example() });
        }
    }

    /// Adds the findings of another part.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        for (kind, count) in &other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        let room = MOST_EXAMPLES.saturating_sub(self.examples.len());
        self.examples
            .extend(other.examples.iter().take(room).cloned());
    }

    /// Sets the number of things that were checked.
    pub fn of(mut self, of: u64) -> Self {
        self.of = of;
        self.share = if of == 0 {
            0.0
        } else {
            self.count as f64 / of as f64
        };
        self
    }
}
