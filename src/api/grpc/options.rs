//! Options of a call: lane and deadline in the metadata, and image options.

use std::time::{Duration, Instant};

use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};

use super::{convert, proto};
use crate::api::Caller;
use crate::api::contract::request_options;
use crate::engine::{EmbedOptions, Lane};

/// Reads the metadata. The default lane is that of the caller's key, else `usual`.
///
/// # Errors
/// `INVALID_ARGUMENT` for an invalid lane, timeout or image option.
pub fn read(
    metadata: &MetadataMap,
    extensions: &Extensions,
    usual: Lane,
    refuse_long_texts: bool,
    images: Option<proto::ImageOptions>,
) -> Result<EmbedOptions, Status> {
    let caller = extensions.get::<Caller>();
    let headers = metadata.clone().into_headers();
    let mut options = request_options::read(&headers, caller, usual)?;
    options.truncate = !refuse_long_texts;
    options.images = convert::image_options(images)?;
    if let Some(timeout) = headers.get("grpc-timeout") {
        let timeout = timeout.to_str().ok().and_then(duration);
        let timeout = timeout.ok_or_else(|| Status::invalid_argument("grpc-timeout is invalid"))?;
        let deadline = Instant::now().checked_add(timeout);
        options.deadline = match (options.deadline, deadline) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    Ok(options)
}

/// gRPC's format of a duration: up to eight digits and a unit.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if number.len() > 8 {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_s_durations() {
        assert_eq!(duration("250m"), Some(Duration::from_millis(250)));
        assert_eq!(duration("2S"), Some(Duration::from_secs(2)));
        assert_eq!(
            duration("99999999H"),
            Some(Duration::from_secs(359_999_996_400))
        );
        for text in ["", "m", "1", "-1S", "123456789m", "1s", "ä"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
