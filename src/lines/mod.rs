//! Inspection lines: what each one compares with, promises and has been calibrated to, and what it says about a part.
//!
//! ```text
//! images → compare (score, pose) → camera, monitors, thresholds → ok | ng | review, with reasons → reviews (stored)
//! labelled parts → compare → parts (stored) → calibration → thresholds
//! ```

mod decide;
mod definition;
mod error;
mod line;
mod load;
mod registry;
mod report;
mod retention;
mod shadow;
mod watch;

pub use self::decide::{Decided, Reason, Seen};
pub use self::definition::{
    Definition, Promised, Shares, Statement, Store, check_name, usual_audit,
};
pub use self::error::LineError;
pub use self::line::{Calibrated, Judgement, Line, Trigger};
pub use self::registry::{Lines, MOST_LINES};
pub use self::report::{Calibrating, Declared, Report, calibrate};
pub use self::shadow::{Offered, Shadow, Shadowed, Shadows};
pub use self::watch::{Monitor, Watch};
