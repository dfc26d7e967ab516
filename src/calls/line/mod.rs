//! Inspection lines: creating them, inspecting parts, and calibrating.

mod calibrate;
mod inspect;
mod judged;
mod map;
mod measure;
mod put;

pub use self::calibrate::{Audited, CalibrateCall, LabelledPart, PartsAdded, add_parts, calibrate};
pub use self::inspect::{InspectCall, Inspected, inspect};
pub use self::judged::{FoundRegion, FoundStatement, InspectionAnswer};
pub use self::map::{map_of, reference_of};
pub use self::measure::line_scored_by;
pub use self::put::{PutLine, put_line};
