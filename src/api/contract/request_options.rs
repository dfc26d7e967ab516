//! Options in a request's headers: lane and timeout.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName};

use crate::api::{ApiError, Caller};
use crate::engine::{EmbedOptions, Lane, Tenant};
use crate::error_code::Code;
use crate::preprocess::ImageOptions;
use crate::quoted::quoted;
use crate::telemetry::spans::request_span;

/// `interactive` (the default) or `bulk`.
pub const LANE: HeaderName = HeaderName::from_static("x-clip-in-lane");

/// Seconds, as a decimal number; `250ms` and `2s` are accepted too.
pub const TIMEOUT: HeaderName = HeaderName::from_static("x-request-timeout");

/// Reads the headers. The default lane is that of the caller's key, else `usual`.
///
/// # Errors
/// 400 `invalid_lane` or `invalid_timeout`.
pub fn read(
    headers: &HeaderMap,
    caller: Option<&Caller>,
    usual: Lane,
) -> Result<EmbedOptions, ApiError> {
    let mut options = EmbedOptions {
        lane: caller.and_then(|caller| caller.lane).unwrap_or(usual),
        tenant: caller.map_or_else(Tenant::default, |caller| caller.tenant),
        ..EmbedOptions::default()
    };
    if let Some(value) = headers.get(&LANE) {
        let name = value.to_str().unwrap_or_default();
        let known = Lane::ALL.into_iter().find(|lane| lane.name() == name);
        options.lane = known.ok_or_else(|| {
            ApiError::new(Code::InvalidLane, "the lane is interactive or bulk").at(LANE.as_str())
        })?;
    }
    if let Some(value) = headers.get(&TIMEOUT) {
        let timeout = value.to_str().ok().and_then(duration).ok_or_else(|| {
            let message = "the timeout is a positive number of seconds, such as 0.5, or 500ms";
            ApiError::new(Code::InvalidTimeout, message).at(TIMEOUT.as_str())
        })?;
        options.deadline = Instant::now().checked_add(timeout);
    }
    request_span::note_lane(options.lane.name());
    Ok(options)
}

/// Reads a form field or query parameter if it is an image option.
///
/// # Errors
/// 400 `invalid_request` with the field's name.
pub fn image_option(options: &mut ImageOptions, name: &str, value: &str) -> Result<(), ApiError> {
    let wrong = |expected: &str| {
        let message = format!("{} is not a valid {name}: {expected}", quoted(value));
        ApiError::new(Code::InvalidRequest, message).at(name)
    };
    options.set(name, value).map(drop).map_err(wrong)
}

fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1e-3),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 1.0),
    };
    // Only digits with at most one point between them: Rust also parses `inf` and `+1e3`, which clients must not use.
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !(all_digits(whole) && all_digits(fraction)) {
        return None;
    }
    let seconds = number.parse::<f64>().ok()? * unit;
    (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_with_and_without_a_unit() {
        assert_eq!(duration("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("2s"), Some(Duration::from_secs(2)));
        for text in [
            "", "0", "-1", "soon", "nan", "inf", "1e300", "1e3", "+1", ".5", "5.", "1h",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
