//! The request of an inspection: an image as the body, or a form with several views.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName};
use utoipa::{IntoParams, ToSchema};

use crate::api::contract::request_options;
use crate::api::rest::image_option_fields::with_image_options;
use crate::api::rest::request_form::{Content, Field, RequestForm, value_of};
use crate::api::rest::schemas::ImageFile;
use crate::api::{ApiError, AppState};
use crate::calls::InspectCall;
use crate::error_code::Code;

/// The same key means the same part: it is inspected once.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

with_image_options! {
    form
    /// A part as a form.
    #[derive(ToSchema)]
    #[expect(dead_code, reason = "describes the fields that are read below")]
    pub struct InspectionForm {
        /// The views of the part, at most 16.
        #[schema(inline, min_items = 1, max_items = 16)]
        image: Vec<ImageFile>,
        /// What the client calls the part.
        #[schema(required = false, min_length = 1, max_length = 200)]
        part: String,
        /// Its lot.
        #[schema(required = false, min_length = 1, max_length = 200)]
        lot: String,
        /// Where it is inspected.
        #[schema(required = false, min_length = 1, max_length = 200)]
        station: String,
        /// The number of the camera's trigger: a gap raises an alarm.
        #[schema(required = false, minimum = 0)]
        trigger: i64,
    }
}

/// The same as query parameters beside a raw image.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters that are read below")]
pub struct InspectionQuery {
    /// What the client calls the part.
    #[param(min_length = 1, max_length = 200)]
    part: Option<String>,
    /// Its lot.
    #[param(min_length = 1, max_length = 200)]
    lot: Option<String>,
    /// Where it is inspected.
    #[param(min_length = 1, max_length = 200)]
    station: Option<String>,
    /// The number of the camera's trigger: a gap raises an alarm.
    #[param(minimum = 0)]
    trigger: Option<i64>,
}

/// The header.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header that is read below")]
pub struct InspectionHeaders {
    /// The same key means the same part: the answer is that of the first request, and there is one row.
    #[param(rename = "idempotency-key", min_length = 1, max_length = 200, value_type = String, required = false)]
    idempotency_key: Option<String>,
}

/// A call as it was read.
#[derive(Debug)]
pub struct Read {
    /// The call.
    pub call: InspectCall,
    /// Keeps the body's share of the byte budget.
    _form: RequestForm,
}

/// Reads a request.
///
/// # Errors
/// [`ApiError`] with the field.
pub async fn read(state: &AppState, request: Request) -> Result<Read, ApiError> {
    let idempotency_key = key_of(request.headers())?;
    let form = RequestForm::read(state, request).await?;
    if matches!(form.content, Content::Json(_)) {
        let message = "send the image itself with its content type (image/jpeg, …), or a form with image files";
        return Err(ApiError::new(Code::UnsupportedContentType, message));
    }
    let mut call = InspectCall {
        images: Vec::new(),
        part: None,
        lot: None,
        station: None,
        trigger: None,
        idempotency_key,
        options: form.options,
    };
    for field in form.fields()? {
        match field {
            Field::Image(bytes) => call.images.push(bytes),
            Field::Named("part", value) => call.part = Some(value.to_owned()),
            Field::Named("lot", value) => call.lot = Some(value.to_owned()),
            Field::Named("station", value) => call.station = Some(value.to_owned()),
            Field::Named("trigger", value) => call.trigger = Some(trigger(value)?),
            // Unknown fields are ignored.
            Field::Named(name, value) => {
                request_options::image_option(&mut call.options.images, name, value)?;
            }
        }
    }
    Ok(Read { call, _form: form })
}

fn trigger(value: &str) -> Result<i64, ApiError> {
    let expected = "trigger is a whole number, not negative";
    let number: u64 = value_of("trigger", value, expected)?;
    i64::try_from(number).map_err(|_| ApiError::new(Code::InvalidRequest, expected).at("trigger"))
}

/// The idempotency key of a request, if it has one.
///
/// # Errors
/// 400 `invalid_request` if it is not visible ASCII.
pub fn key_of(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| {
        let message = "the key is 1 to 200 visible ASCII characters";
        ApiError::new(Code::InvalidRequest, message).at("idempotency-key")
    })?;
    Ok(Some(text.to_owned()))
}
