//! Few-shot anomaly detection: `/v1/compare` on public sets of good and defective parts.
//!
//! ```text
//! folders of a set → Category (good images, test images with masks) → k good ones as reference → scores and maps
//!                                                                     → metrics by category → Report
//! ```
//!
//! Nothing is set on defects: references are good images of the training part, chosen by a seed.

mod category;
mod folders;
mod layout;
mod measured;
mod run;
mod set;
mod sheet;
mod tables;

pub use self::layout::{AnomalyLayout, open as open_anomaly};
pub use self::measured::CategoryResult;
pub use self::run::{Choice, run as run_anomaly};
pub use self::set::AnomalySet;
pub use self::sheet::Sheet;
