//! `/openapi.json`: the interface in [OpenAPI 3.1](https://spec.openapis.org/oas/v3.1.0), built from the routes themselves,
//! so that no route of the API can be missing.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::v2::infer_error::InferError;
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
