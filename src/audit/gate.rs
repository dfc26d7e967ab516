//! The conditions under which an audit fails.

use std::str::FromStr;

use clap::ValueEnum;
use serde::Serialize;

use super::findings::{Check, Finding};

/// A check and its allowed count or share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    check: Check,
    most: Most,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Most {
    Count(u64),
    Share(f64),
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, most) = match text.split_once('=') {
            Some((name, most)) => (name, Some(most.trim())),
            None => (text, None),
        };
        let check = Check::from_str(name.trim(), true).map_err(|_| {
            let known = Check::ALL.map(Check::name).join(", ");
            format!("unknown check {name}; known: {known}")
        })?;
        let wrong =
            || format!("{text}: the allowed amount must be a count or a share, as in unchanged=1%");
        let most = match most {
            None => Most::Count(0),
            Some(most) => match most.strip_suffix('%') {
                Some(share) => {
                    let share: f64 = share.trim().parse().map_err(|_| wrong())?;
                    if !(0.0..=100.0).contains(&share) {
                        return Err(wrong());
                    }
                    Most::Share(share / 100.0)
                }
                None => Most::Count(most.parse().map_err(|_| wrong())?),
            },
        };
        Ok(Self { check, most })
    }
}

/// Whether a check passed.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The check.
    pub check: Check,
    /// The found and the allowed amount.
    pub reason: String,
    /// Whether the found amount is within the allowed one.
    pub passed: bool,
}

/// The result of each threshold.
pub fn verdicts<'a>(
    thresholds: &[Threshold],
    find: impl Fn(Check) -> Option<&'a Finding>,
) -> Vec<Verdict> {
    let nothing = Finding::default();
    let verdict = |threshold: &Threshold| {
        let Threshold { check, most } = *threshold;
        let found = find(check).unwrap_or(&nothing);
        let (passed, allowed) = match most {
            Most::Count(most) => (found.count <= most, most.to_string()),
            Most::Share(most) => (found.share <= most, format!("{} %", most * 100.0)),
        };
        let share = 100.0 * found.share;
        let reason = format!(
            "{} of {} {} ({share:.2} %), at most {allowed} allowed",
            found.count,
            found.of,
            check.unit()
        );
        Verdict {
            check,
            reason,
            passed,
        }
    };
    thresholds.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_counts_or_shares() {
        let parse = |text: &str| text.parse::<Threshold>();
        let most = |text: &str| parse(text).unwrap().most;
        assert_eq!(most("leak"), Most::Count(0));
        assert_eq!(most("near-duplicates=12"), Most::Count(12));
        assert_eq!(most("unchanged=1%"), Most::Share(0.01));
        for wrong in ["", "leaks", "leak=", "leak=-1", "leak=101%", "leak=NaN%"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
