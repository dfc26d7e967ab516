//! The web pages of other origins that may call the server from a browser: none unless configured.

use axum::http::{HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::api::trace::{REQUEST_ID, SERVER_TIMING};

/// The layer for these origins; `None` for none.
///
/// # Errors
/// A sentence about an invalid origin.
pub fn layer(origins: &[String]) -> Result<Option<CorsLayer>, String> {
    if origins.is_empty() {
        return Ok(None);
    }
    let read = |origin: &String| {
        let is_origin = ["http://", "https://"].iter().any(|scheme| {
            origin
                .strip_prefix(scheme)
                .is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
        });
        let value = HeaderValue::from_str(origin).ok().filter(|_| is_origin);
        value.ok_or_else(|| {
            format!(
                "--cors-origins: {origin:?} is not an origin; one looks like https://example.com"
            )
        })
    };
    let origins = origins.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        // Any header that the page's client adds, such as OpenAI's `x-stainless-*`: the origin is trusted.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([header::RETRY_AFTER, REQUEST_ID, SERVER_TIMING]);
    Ok(Some(layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_checked() {
        let one = |origin: &str| layer(&[origin.to_owned()]).map(|layer| layer.is_some());
        assert_eq!(layer(&[]).map(|layer| layer.is_some()), Ok(false));
        assert_eq!(one("https://example.com:8443"), Ok(true));
        for bad in ["*", "example.com", "https://", "https://example.com/page"] {
            assert!(one(bad).is_err(), "{bad}");
        }
    }
}
