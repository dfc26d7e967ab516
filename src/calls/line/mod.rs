//! Inspection lines: creating them, inspecting parts, and calibrating.

mod add_references;
mod calibrate;
mod inspect;
mod judged;
mod map;
mod measure;
mod pace;
mod promote;
mod put;
mod rescore;
mod shadow;

pub use self::add_references::{AddReferences, MOST_ADDED, ReferencesAdded, add_references};
pub use self::calibrate::{Audited, CalibrateCall, LabelledPart, PartsAdded, add_parts, calibrate};
pub use self::inspect::{InspectCall, Inspected, inspect};
pub use self::judged::{FoundRegion, FoundStatement, InspectionAnswer};
pub use self::map::{map_of, reference_of};
pub use self::measure::{line_scored_by, model_of_line};
pub use self::promote::{Switched, promote, roll_back};
pub use self::put::{PutLine, put_line};
pub use self::rescore::{MOST_AT_A_TIME, Rescored, USUAL_AT_A_TIME, rescore};
pub use self::shadow::{ShadowStatus, none as no_shadow, shadow_decides, shadow_of, start_shadow};
