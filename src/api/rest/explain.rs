//! `POST /v1/explain`: shows where in an image a text holds.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::error_responses::{InferenceErrors, LookupErrors};
use super::image_option_fields::{ImageOptionsQuery, with_image_options};
use super::images_and_texts::ImagesAndTexts;
use super::map_field::MapField;
use super::method_field::{MethodField, MethodName};
use super::png::{Png, png_answer, wants_png};
use super::request_headers::RequestHeaders;
use super::schemas::{ImageFile, Images, Texts};
use super::usage::Usage;
use crate::api::json_answer::Json;
use crate::api::{ApiError, AppState};
use crate::calls::{
    self, ExplainCall, ExplainedImage, Explanation, MapKind, Method, Place, Warning,
};
use crate::error_code::Code;

with_image_options! {
    /// Images and texts in JSON.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "describes what images_and_texts.rs reads for /v1/explain")]
    pub struct ExplainRequest {
        /// The model; the default one if none is named.
        model: Option<String>,
        images: Images,
        texts: Texts,
        #[schema(inline)]
        map: Option<MapField>,
        /// How maps are made.
        #[schema(inline)]
        method: Option<MethodName>,
        /// Whether texts longer than the model's context are truncated or refused.
        #[schema(default = true)]
        truncate: Option<bool>,
    }
}

with_image_options! {
    form
    /// Images and texts as a form.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "describes the fields that images_and_texts.rs reads")]
    pub struct ExplainForm {
        /// Images.
        #[schema(inline, min_items = 1)]
        image: Vec<ImageFile>,
        /// Texts; may be in the query instead.
        #[schema(required = false)]
        text: Vec<String>,
        /// The model; the default one if none is named.
        #[schema(required = false)]
        model: String,
        #[schema(inline, required = false)]
        map: MapField,
        /// How maps are made.
        #[schema(inline, required = false)]
        method: MethodName,
        /// Whether texts longer than the model's context are truncated (the default) or refused.
        #[schema(required = false)]
        truncate: bool,
    }
}

/// One result per image, in the request's order.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExplainResponse {
    model: String,
    results: Vec<ImageExplanations>,
    usage: Usage,
    /// Notes about single images; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<Warning>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ImageExplanations {
    /// Index of the image in the request.
    index: usize,
    /// Width of the image in pixels, to which regions and maps refer.
    width: usize,
    /// Its height.
    height: usize,
    /// One per text, in the request's order.
    explanations: Vec<TextExplanation>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TextExplanation {
    /// Index of the text in the request.
    index: usize,
    #[schema(value_type = String)]
    text: Arc<str>,
    /// Cosine of the image and the text: what is explained.
    score: f32,
    /// Places where the text stands out, strongest first, at most 8.
    regions: Vec<Place>,
    /// The map as PNG in base64, of the image's size; null if it was not asked for.
    #[schema(value_type = Option<String>)]
    map: Option<Png>,
}

/// Query parameters with a form or a raw image.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters that images_and_texts.rs reads"
)]
struct ExplainQuery {
    /// A text; may be repeated.
    text: Option<Vec<String>>,
    /// The model; the default one if none is named.
    model: Option<String>,
    #[param(inline)]
    map: Option<MapField>,
    /// How maps are made.
    #[param(inline)]
    method: Option<MethodName>,
    /// Whether texts longer than the model's context are truncated (the default) or refused.
    truncate: Option<bool>,
}

/// Shows where in each image each text holds.
///
/// With `accept: image/png` the answer is the map of one image and one text as PNG: the image under the colours, unless `map`
/// names another kind.
#[utoipa::path(
    post,
    path = "/v1/explain",
    operation_id = "explain",
    tag = "inference",
    params(RequestHeaders, ExplainQuery, ImageOptionsQuery),
    request_body(
        content(
            (ExplainRequest = "application/json"),
            (ExplainForm = "multipart/form-data"),
            (ImageFile = "image/*"),
        )
    ),
    responses(
        (
            status = 200,
            description = "Regions, and maps if they were asked for",
            content((ExplainResponse = "application/json"), (ImageFile = "image/png"))
        ),
        LookupErrors,
        InferenceErrors
    )
)]
pub async fn create(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Response, ApiError> {
    let as_png = wants_png(request.headers());
    let request = ImagesAndTexts::read(&state, request, "texts").await?;
    let map = match (request.map.clone(), as_png) {
        (Some(field), true) => field.kind(MapKind::Overlay)?,
        (Some(field), false) => field.kind(MapKind::Colours)?,
        (None, true) => Some(MapKind::Overlay),
        (None, false) => None,
    };
    let method = request.method.clone();
    let method = method.map_or(Ok(Method::default()), MethodField::method)?;
    if as_png {
        check_png(&request, map)?;
    }
    let call = ExplainCall {
        model: request.model.clone(),
        images: request.images,
        texts: request.texts,
        method,
        map,
        options: request.options,
    };
    let found = calls::explain(&state, call).await?;
    let images = found.images.into_iter();
    if as_png {
        let mut maps = images.flat_map(|image| image.explanations);
        let map = maps.find_map(|explanation| explanation.map);
        let missing = || ApiError::new(Code::InternalError, "there is no map");
        return Ok(png_answer(map.ok_or_else(missing)?));
    }
    let answer = ExplainResponse {
        model: found.model,
        results: images.enumerate().map(image).collect(),
        usage: found.tokens.into(),
        warnings: found.warnings,
    };
    Ok(Json(answer).into_response())
}

fn check_png(request: &ImagesAndTexts, map: Option<MapKind>) -> Result<(), ApiError> {
    if request.images.len() > 1 || request.texts.len() > 1 {
        let message = "accept: image/png is for one image and one text; take JSON for more";
        return Err(ApiError::new(Code::InvalidRequest, message).at("accept"));
    }
    if map.is_none() {
        let message = "accept: image/png asks for the map that map=false does not want";
        return Err(ApiError::new(Code::InvalidRequest, message).at("map"));
    }
    Ok(())
}

fn image((index, image): (usize, ExplainedImage)) -> ImageExplanations {
    ImageExplanations {
        index,
        width: image.width,
        height: image.height,
        explanations: image
            .explanations
            .into_iter()
            .enumerate()
            .map(text)
            .collect(),
    }
}

fn text((index, explanation): (usize, Explanation)) -> TextExplanation {
    TextExplanation {
        index,
        text: explanation.text,
        score: explanation.score,
        regions: explanation.regions,
        map: explanation.map.map(Png),
    }
}
