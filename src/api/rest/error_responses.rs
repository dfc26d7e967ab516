//! The possible errors of routes, as the OpenAPI document lists them. `B` is the body: each protocol has its own format.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::api::contract::ErrorBody;

type Responses = BTreeMap<String, RefOr<Response>>;

/// Calls about something by name.
pub struct LookupErrors<B = ErrorBody>(PhantomData<B>);

impl<B: ToSchema> IntoResponses for LookupErrors<B> {
    fn responses() -> Responses {
        described::<B>(&[
            (400, "The request is invalid"),
            (401, "No API key, or an unknown one"),
            (
                404,
                "There is no such model, version, label set, reference, line or inspection",
            ),
            (408, "The request took too long"),
            (429, "The server, or the API key, has too many requests"),
            (500, "The server failed"),
        ])
    }
}

/// Calls with images, texts or tensors, besides [`LookupErrors`].
pub struct UploadErrors<B>(PhantomData<B>);

impl<B: ToSchema> IntoResponses for UploadErrors<B> {
    fn responses() -> Responses {
        described::<B>(&[
            (413, "The body, an image, a text or the answer is too large"),
            (415, "The content type or coding is not supported"),
            (
                503,
                "The server is stopping, its engine is dead, or what must be stored cannot be",
            ),
            (504, "The request's own timeout has passed"),
        ])
    }
}

/// Calls that embed, besides [`LookupErrors`]: those of [`UploadErrors`], and of images by URL.
pub struct InferenceErrors<B = ErrorBody>(PhantomData<B>);

impl<B: ToSchema> IntoResponses for InferenceErrors<B> {
    fn responses() -> Responses {
        let mut all = UploadErrors::<B>::responses();
        all.extend(described::<B>(&[(
            422,
            "An image could not be fetched from its URL",
        )]));
        all
    }
}

/// Routes that need a role, besides [`LookupErrors`].
pub struct RoleErrors;

impl IntoResponses for RoleErrors {
    fn responses() -> Responses {
        described::<ErrorBody>(&[(403, "The API key lacks the role")])
    }
}

/// Routes that need the store of the lines, besides [`LookupErrors`].
pub struct StoreErrors;

impl IntoResponses for StoreErrors {
    fn responses() -> Responses {
        described::<ErrorBody>(&[
            (413, "The answer is too large"),
            (503, "The database or the disk of the lines fails"),
        ])
    }
}

/// The admin routes.
pub struct AdminErrors;

impl IntoResponses for AdminErrors {
    fn responses() -> Responses {
        described::<ErrorBody>(&[
            (400, "The request is invalid"),
            (401, "The admin token is missing or wrong"),
            (
                403,
                "Without a token, only requests to a loopback address are answered",
            ),
            (404, "The model or bundle does not exist"),
            (
                409,
                "Another load is running, or the model is the default one",
            ),
            (413, "The body is too large"),
            (415, "The body is not JSON"),
            (422, "The bundle cannot be served"),
            (
                429,
                "The bodies of other requests use all memory for bodies",
            ),
            (500, "The server failed"),
            (503, "The server is stopping"),
        ])
    }
}

/// Status and description of each error.
fn described<B: ToSchema>(errors: &[(u16, &str)]) -> Responses {
    let response = |(status, description): &(u16, &str)| {
        let body = ContentBuilder::new().schema(Some(Ref::from_schema_name(B::name())));
        let mut response = ResponseBuilder::new()
            .description(*description)
            .content("application/json", body.build());
        if *status == 429 {
            let seconds = HeaderBuilder::new()
                .schema(Some(u64::schema()))
                .description(Some("Seconds"));
            response = response.header("retry-after", seconds.build());
        }
        (status.to_string(), response.build().into())
    };
    errors.iter().map(response).collect()
}
