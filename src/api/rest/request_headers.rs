//! The headers that a request may have, for `/openapi.json`.

use utoipa::{IntoParams, ToSchema};

/// Options in the headers of a request.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "describes the headers that request_options.rs reads"
)]
pub struct RequestHeaders {
    /// The queue for its items: bulk requests get the capacity that interactive ones leave. The default is the lane of the
    /// caller's key, or interactive.
    #[param(rename = "x-clip-in-lane", inline, value_type = LaneName, required = false)]
    lane: Option<LaneName>,
    /// Timeout: seconds, or a number followed by ms or s.
    #[param(
        rename = "x-request-timeout",
        pattern = r"^([0-9]{0,5}[1-9][0-9]{0,5}(\.[0-9]{1,6})?|[0-9]{1,6}\.[0-9]{0,5}[1-9][0-9]{0,5})(ms|s)?$",
        value_type = String,
        required = false,
        example = "10s"
    )]
    timeout: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes a header")]
enum LaneName {
    Interactive,
    Bulk,
}
