//! What the random audit says about parts that were decided OK.

use serde::Serialize;
use utoipa::ToSchema;

use crate::promise::ShippedAudit;

/// Confidence of the bound.
const CONFIDENCE: f64 = 0.95;

/// Audited parts that were decided OK.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShippedParts)]
pub struct Shipped {
    /// Audited parts with a verdict of OK or NG.
    audited: u64,
    /// Those of them that are NG.
    ng: u64,
    /// Audited parts without such a verdict.
    unanswered: u64,
    /// With 95 % confidence, at most this share of the parts that were decided OK is NG. Null as long as audited parts lack
    /// a verdict: the rest would be a selection.
    #[schema(required)]
    bound: Option<f64>,
}

impl Shipped {
    /// Of the number of audited parts with each verdict.
    pub fn of(counts: &[(String, i64)]) -> Self {
        let count = |wanted: &[&str]| -> u64 {
            let found = counts
                .iter()
                .filter(|(verdict, _)| wanted.contains(&verdict.as_str()));
            found
                .map(|(_, count)| u64::try_from(*count).unwrap_or_default())
                .sum()
        };
        let (ok, ng, unanswered) = (count(&["ok"]), count(&["ng"]), count(&["none", "unsure"]));
        let audit = ShippedAudit {
            audited: ok + ng,
            ng,
        };
        Self {
            audited: audit.audited,
            ng,
            unanswered,
            bound: (unanswered == 0 && audit.audited > 0).then(|| audit.upper_bound(CONFIDENCE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shipped_has_a_bound_once_all_audited_parts_have_a_verdict() {
        let counts = |unanswered: i64| {
            Shipped::of(&[("ok".to_owned(), 299), ("none".to_owned(), unanswered)])
        };
        let bound = counts(0).bound.unwrap();
        assert!(bound <= 0.01 && bound > 0.009, "{bound}");
        assert_eq!((counts(1).bound, counts(1).unanswered), (None, 1));
        assert_eq!(Shipped::of(&[]).bound, None);
    }
}
