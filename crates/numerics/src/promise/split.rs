//! Three sets, by lot: one to fit with, one to calibrate with, one to check with.
//!
//! A keyed hash of the lot's name chooses its set. So all parts of a lot are in one set, and a lot stays where it is when
//! other lots are added. The price: with few lots the sets are uneven. [`Divided::counts`] counts parts.

use super::keyed_hash::KeyedHash;
use super::part::{CalibrationPart, Class};

/// What a lot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Set {
    /// Weights, statements, choice of a model.
    Fit,
    /// Thresholds.
    Calibrate,
    /// Nothing but the check at the end.
    HeldOut,
}

/// How lots are divided.
#[derive(Debug, Clone)]
pub struct Split {
    hash: KeyedHash,
    fit: f64,
    calibrate: f64,
}

/// The shares are not usable.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "the shares of the split are {fit} to fit and {calibrate} to calibrate: give numbers from 0 to 1 with a sum of at most 1, and calibrate with more than 0"
)]
pub struct SharesError {
    fit: f64,
    calibrate: f64,
}

impl Split {
    /// `key` belongs to the line, and stays. The held-out set has what the two shares leave.
    ///
    /// # Errors
    /// If a share is not from 0 to 1, both together are more than 1, or `calibrate` is 0.
    pub fn new(key: &[u8], fit: f64, calibrate: f64) -> Result<Self, SharesError> {
        // Decimal shares such as 0.7 + 0.2 + 0.1 need not add up exactly.
        if fit >= 0.0 && calibrate > 0.0 && fit + calibrate <= 1.0 + 1e-9 {
            Ok(Self {
                hash: KeyedHash::new(key, "split"),
                fit,
                calibrate,
            })
        } else {
            Err(SharesError { fit, calibrate })
        }
    }

    /// The set of a lot.
    pub fn set(&self, group: &str) -> Set {
        let place = self.hash.share(group);
        if place < self.fit {
            Set::Fit
        } else if place < self.fit + self.calibrate {
            Set::Calibrate
        } else {
            Set::HeldOut
        }
    }

    /// Divides parts.
    pub fn divide(&self, parts: impl IntoIterator<Item = CalibrationPart>) -> Divided {
        let mut divided = Divided::default();
        for part in parts {
            match self.set(part.group()) {
                Set::Fit => divided.fit.push(part),
                Set::Calibrate => divided.calibrate.push(part),
                Set::HeldOut => divided.held_out.push(part),
            }
        }
        divided
    }
}

/// Parts in three sets that share no lot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Divided {
    /// To fit with.
    pub fit: Vec<CalibrationPart>,
    /// To calibrate with.
    pub calibrate: Vec<CalibrationPart>,
    /// To check with.
    pub held_out: Vec<CalibrationPart>,
}

impl Divided {
    /// Number of OK and of NG parts in the sets to fit, to calibrate and to check with.
    pub fn counts(&self) -> [(usize, usize); 3] {
        [&self.fit, &self.calibrate, &self.held_out].map(|parts| {
            let ok = parts
                .iter()
                .filter(|part| part.class() == Class::Ok)
                .count();
            (ok, parts.len() - ok)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::part::{Declaration, Part};
    use super::*;

    fn parts(lots: std::ops::Range<usize>) -> Vec<CalibrationPart> {
        let declared = Declaration::new("test", "drawn").unwrap();
        lots.flat_map(|lot| (0..=lot % 7).map(move |part| (lot, part)))
            .map(|(lot, part)| {
                let class = if part == 0 { Class::Ng } else { Class::Ok };
                Part::labelled(&declared, &format!("lot {lot}"), &[part as f64], class)
                    .unwrap()
                    .into()
            })
            .collect()
    }

    #[test]
    fn no_lot_is_in_two_sets_and_all_parts_are_in_one() {
        let divided = Split::new(b"line 1", 0.25, 0.5)
            .unwrap()
            .divide(parts(0..700));
        let lots = [&divided.fit, &divided.calibrate, &divided.held_out].map(|parts| {
            parts
                .iter()
                .map(|part| part.group().to_owned())
                .collect::<HashSet<_>>()
        });
        assert_eq!(lots.iter().map(HashSet::len).sum::<usize>(), 700);
        assert!(lots[0].is_disjoint(&lots[1]) && lots[1].is_disjoint(&lots[2]));
        let counts = divided.counts();
        assert_eq!(counts.iter().map(|(ok, ng)| ok + ng).sum::<usize>(), 2800);
        assert_eq!(counts.iter().map(|(_, ng)| ng).sum::<usize>(), 700);
        assert!((300..400).contains(&lots[1].len()), "{}", lots[1].len());
    }

    #[test]
    fn lots_stay_where_they_are_when_others_are_added() {
        let split = Split::new(b"line 1", 0.25, 0.5).unwrap();
        let (before, after) = (split.divide(parts(0..100)), split.divide(parts(0..200)));
        assert_eq!(after.calibrate[..before.calibrate.len()], before.calibrate);
        assert_eq!(after.held_out[..before.held_out.len()], before.held_out);
        let again = Split::new(b"line 1", 0.25, 0.5)
            .unwrap()
            .divide(parts(0..100));
        assert_eq!(again, before);
        assert_ne!(
            Split::new(b"line 2", 0.25, 0.5)
                .unwrap()
                .divide(parts(0..100)),
            before
        );
    }

    #[test]
    fn shares_that_make_no_split_are_refused() {
        assert!(Split::new(b"", 0.0, 1.0).is_ok());
        for (fit, calibrate) in [
            (0.6, 0.6),
            (-0.1, 0.5),
            (0.5, 0.0),
            (f64::NAN, 0.5),
            (0.5, f64::NAN),
        ] {
            assert!(
                Split::new(b"", fit, calibrate).is_err(),
                "{fit} {calibrate}"
            );
        }
    }
}
