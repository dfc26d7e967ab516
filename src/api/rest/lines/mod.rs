//! `/v1/lines` and `/v1/inspections`: inspection lines, what they decided, and what people said about it.

mod calibration_form;
mod calibrations;
mod corrections;
mod dashboard;
mod drift;
mod history;
mod inspection_form;
mod inspections;
mod line;
mod line_object;
mod listed;
mod planted;
mod promotion;
mod queue;
mod references;
mod rescore;
mod reviewed;
mod reviews;
mod shadow;
mod shipped;
mod spliced;
mod store;
mod verdicts;

use std::sync::Arc;

use axum::extract::Request;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{AppState, Caller};

/// The routes of lines and inspections.
pub fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new()
        .routes(routes!(line::list))
        .routes(routes!(line::put, line::one, line::delete))
        .routes(routes!(inspections::create, queue::page))
        .routes(routes!(calibrations::create, calibrations::list))
        .routes(routes!(drift::dismiss))
        .routes(routes!(reviews::claim, reviews::release))
        .routes(routes!(planted::create, planted::list))
        .routes(routes!(planted::delete))
        .routes(routes!(dashboard::show))
        .routes(routes!(corrections::list))
        .routes(routes!(rescore::create))
        .routes(routes!(promotion::promote))
        .routes(routes!(promotion::roll_back))
        .routes(routes!(references::add))
        .routes(routes!(history::list))
        .routes(routes!(shadow::start, shadow::show, shadow::end))
        .routes(routes!(inspections::one))
        .routes(routes!(inspections::image, inspections::delete_image))
        .routes(routes!(inspections::map))
        .routes(routes!(inspections::reference))
        .routes(routes!(verdicts::create, verdicts::undo))
}

/// The name of the caller's key; "" without keys.
fn who(request: &Request) -> String {
    let caller = request.extensions().get::<Caller>();
    caller
        .map(|caller| caller.name.to_string())
        .unwrap_or_default()
}
