//! `POST /v2/embed`: embeddings in Cohere's format, with several types at a time, for Cohere's clients.

mod answer;
mod errors;
mod request;

use std::sync::Arc;

use axum::extract::{Request, State};
use uuid::Uuid;

use self::answer::{ApiVersion, BadItem, BilledUnits, CohereEmbedResponse, EmbeddingsByType, Meta};
pub use self::errors::respond_with;
use self::request::{CohereEmbedRequest, from_json};
use super::embeddings;
use super::error_responses::{InferenceErrors, LookupErrors};
use super::request_form::{Content, RequestForm};
use super::request_headers::RequestHeaders;
use crate::api::contract::CohereError;
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::bounded;
use crate::calls::EmbedCall;
use crate::engine::{EmbedOptions, Item};
use crate::error_code::Code;

/// The route.
pub const PATH: &str = "/v2/embed";

/// Embeds texts or images, for Cohere's clients.
#[utoipa::path(
    post,
    path = "/v2/embed",
    operation_id = "embed_v2",
    tag = "inference",
    params(RequestHeaders),
    request_body = CohereEmbedRequest,
    responses((status = 200, description = "Embeddings by type, in the order of the items", body = CohereEmbedResponse), LookupErrors<CohereError>, InferenceErrors<CohereError>)
)]
pub async fn create(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Json<CohereEmbedResponse>, ApiError> {
    let mut form = RequestForm::read(&state, request).await?;
    let Content::Json(body) = &form.content else {
        let message = "this route takes JSON: {\"texts\": […]} or {\"images\": […]}";
        return Err(ApiError::new(Code::InvalidRequest, message));
    };
    let request = bounded::within(state.max_items, || from_json(body))?;
    form.was_parsed();
    let texts = request.echo(&state)?;
    let is_image: Vec<bool> = request.items.iter().map(Item::is_image).collect();
    let call = EmbedCall {
        model: request.model,
        items: request.items,
        dimensions: request.dimensions,
        options: EmbedOptions {
            truncate: request.truncate,
            images: request.images,
            ..form.options
        },
        field: request.field,
    };
    let embedded = embeddings::embed(&state, call, request.partial).await;
    let embedded = embedded.map_err(in_cohere_s_words)?;
    let mut errors = Vec::new();
    let mut vectors = Vec::with_capacity(embedded.vectors.len());
    for (index, found) in embedded.vectors.into_iter().enumerate() {
        let found = found.map_err(|error| {
            let error = error.object();
            errors.push(BadItem { index, error });
        });
        vectors.push(found.ok());
    }
    let embedded_images = is_image.iter().zip(&vectors);
    let embedded_images = embedded_images.filter(|(is_image, found)| **is_image && found.is_some());
    let cut = embedded.tokens.truncated;
    let cut = (cut > 0)
        .then(|| format!("{cut} tokens beyond the model's context were cut off from the texts"));
    let of_images = embedded.warnings.iter();
    let of_images = of_images.map(|warning| format!("{}: {}", warning.param, warning.message));
    Ok(Json(CohereEmbedResponse {
        id: Uuid::new_v4().to_string(),
        response_type: "embeddings_by_type",
        meta: Meta {
            api_version: ApiVersion { version: "2" },
            billed_units: BilledUnits {
                input_tokens: embedded.tokens.read,
                images: embedded_images.count(),
            },
            warnings: cut.into_iter().chain(of_images).collect(),
        },
        embeddings: EmbeddingsByType::of(&vectors, &request.formats),
        texts,
        errors,
    }))
}

/// Translates the field's name to that of this route.
fn in_cohere_s_words(error: ApiError) -> ApiError {
    match error.param.as_deref() {
        Some("dimensions") => error.at("output_dimension"),
        _ => error,
    }
}
