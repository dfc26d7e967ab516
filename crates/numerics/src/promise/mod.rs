//! What an inspection line may promise: pure functions, no HTTP, no storage.
//!
//! ```text
//! labelled parts → split by lot → learn then test → thresholds → ok | ng | review
//! inspections → random audit → bound on what was shipped, parts for the next calibration
//! ```
//!
//! "At most 2 % of the automatic decisions are wrong" promises nothing: where fewer than 2 % of the parts are defective,
//! accepting everything keeps it. So a line promises two things, each about one class: at most a share α of the NG parts is
//! decided OK (escape), and at most a share of the OK parts is decided NG (overkill). Both hold for all future parts that
//! come from where the calibration parts came from, with confidence 1 − δ.

pub mod binomial;
mod calibration;
mod conformal;
mod consequences;
mod decision;
mod in_force;
mod keyed_hash;
mod learn_then_test;
mod lots;
mod part;
mod random_audit;
mod score;
mod settings;
mod split;
mod weights;

pub mod drawn;
#[cfg(test)]
mod redrawn;
pub mod sign_test;

pub use calibration::{Calibration, Decided, Measured, Rates, TooManyParts};
pub use conformal::PValues;
pub use consequences::Consequences;
pub use decision::{Decision, Reason, Thresholds};
pub use in_force::InForce;
pub use learn_then_test::Outcome;
pub use lots::Sample;
pub use part::{
    Audited, CalibrationPart, Class, Declaration, Labelled, Part, Reviewed, Source, Unselected,
};
pub use random_audit::{
    AuditedWindow, Inspected, RandomAudit, ShippedAudit, USUAL_SHARE, Unanswered,
};
pub use score::{Score, ScoreError};
pub use settings::{Promise, PromiseError};
pub use split::{Divided, Set, SharesError, Split};
pub use weights::{Evidence, LEAST_PARTS, Weights};
