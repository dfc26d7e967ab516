//! Which messages a sink wants.

use std::collections::HashSet;

/// What a message tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// A part was inspected.
    Inspection,
    /// A person said what a part is.
    Verdict,
    /// A verdict was undone.
    VerdictUndone,
    /// A monitor of the line raised an alarm.
    Drift,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Inspection,
        Self::Verdict,
        Self::VerdictUndone,
        Self::Drift,
    ];

    /// As it is stored and sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inspection => "inspection",
            Self::Verdict => "verdict",
            Self::VerdictUndone => "verdict_undone",
            Self::Drift => "drift",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// What a sink wants. A filter that is missing lets everything pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// Name of the sink.
    pub sink: String,
    /// Names of lines.
    pub lines: Option<HashSet<String>>,
    /// Kinds of messages.
    pub events: Option<HashSet<Occasion>>,
    /// `ok`, `ng` and `review`: which inspections. Other messages have no decision, and pass.
    pub decisions: Option<HashSet<String>>,
}

impl Interest {
    /// Whether the sink wants a message. `decision` is that of an inspection's message.
    pub fn wants(&self, line: &str, event: Occasion, decision: Option<&str>) -> bool {
        let of_line = self.lines.as_ref().is_none_or(|some| some.contains(line));
        let of_kind = self
            .events
            .as_ref()
            .is_none_or(|some| some.contains(&event));
        let decided = match (&self.decisions, decision) {
            (Some(some), Some(decision)) => some.contains(decision),
            _ => true,
        };
        of_line && of_kind && decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_joined_and_a_missing_one_lets_all_pass() {
        let all = Interest {
            sink: "mes".to_owned(),
            lines: None,
            events: None,
            decisions: None,
        };
        assert!(all.wants("bolts", Occasion::Drift, None));
        let some = Interest {
            lines: Some(HashSet::from(["bolts".to_owned()])),
            decisions: Some(HashSet::from(["ng".to_owned()])),
            events: Some(HashSet::from([Occasion::Inspection, Occasion::Verdict])),
            ..all
        };
        assert!(some.wants("bolts", Occasion::Inspection, Some("ng")));
        assert!(!some.wants("bolts", Occasion::Inspection, Some("ok")));
        assert!(!some.wants("nuts", Occasion::Inspection, Some("ng")));
        assert!(some.wants("bolts", Occasion::Verdict, None));
        assert!(!some.wants("bolts", Occasion::Drift, None));
    }
}
