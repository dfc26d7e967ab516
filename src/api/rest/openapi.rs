//! `/openapi.json`: the interface in [OpenAPI 3.1](https://spec.openapis.org/oas/v3.1.0), built from the routes themselves,
//! so that no route of the API can be missing.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi, ToSchema};

use super::v2::InferError;
use crate::api::contract::CohereError;
use crate::engine::ImageSource;

/// The start of the document; the routes add themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "CLIP-IN",
        description = "Embeddings, similarity and classification of images and texts by models that see small differences. \
                       The same calls are offered over gRPC on the same port.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ImageSource, InferError, CohereError)),
    modifiers(&Keys),
    security((), ("key" = [])),
    tags(
        (name = "inference", description = "Questions about images and texts"),
        (name = "labelsets", description = "Labels that are described once and asked for by name"),
        (name = "references", description = "Images of good parts that others are compared with, by name"),
        (name = "lines", description = "Inspection lines: decisions with a promise, verdicts of people, calibrations"),
        (name = "models", description = "What is served"),
        (name = "open inference protocol", description = "Version 2, as KServe and Triton speak it"),
        (name = "monitoring", description = "Health and metrics; need no key"),
        (name = "admin", description = "Load, replace and unload models; only with --admin")
    )
)]
pub struct Document;

/// An API key is only required if the server has keys.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key, if the server asks for one."));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(bearer.build()));
    }
}

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
