//! The trace of a request, by the W3C's recommendation: <https://www.w3.org/TR/trace-context/>.

use axum::http::{HeaderMap, HeaderName};
use uuid::Uuid;

use crate::telemetry::spans::Parent;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request's place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The id of the trace; never 0.
    pub trace_id: u128,
    /// The caller's span; `None` if the trace begins here.
    pub parent_id: Option<u64>,
    /// Whether the caller may have recorded its part.
    pub sampled: bool,
}

impl TraceContext {
    /// The caller's trace, or a new one if it is missing or invalid.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(&TRACEPARENT).iter();
        let given = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok().and_then(parse),
            _ => None, // several headers are invalid
        };
        given.unwrap_or_else(|| Self {
            trace_id: Uuid::new_v4().as_u128(),
            parent_id: None,
            sampled: false,
        })
    }

    /// The caller's span; `None` if the trace begins here.
    pub fn parent(&self) -> Option<Parent> {
        Some(Parent {
            trace_id: self.trace_id,
            span_id: self.parent_id?,
            sampled: self.sampled,
        })
    }
}

/// `version-trace-parent-flags`. Later versions may append fields; the fields of version 00 keep their meaning.
fn parse(text: &str) -> Option<TraceContext> {
    let mut fields = text.splitn(5, '-');
    let version = hexadecimal(fields.next()?, 2)?;
    let trace_id = hexadecimal(fields.next()?, 32)?;
    let parent_id = hexadecimal(fields.next()?, 16)?;
    let flags = hexadecimal(fields.next()?, 2)?;
    let has_more = fields.next().is_some();
    if version == 0xff || (version == 0 && has_more) || trace_id == 0 || parent_id == 0 {
        return None;
    }
    Some(TraceContext {
        trace_id,
        parent_id: u64::try_from(parent_id).ok(),
        // Other flags have no meaning here, in any version.
        sampled: flags & 1 == 1,
    })
}

/// Exactly `digits` lower-case hexadecimal digits.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let are_digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (text.len() == digits && are_digits).then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn a_valid_traceparent_is_continued() {
        let found = parse(&format!("00-{TRACE}-{PARENT}-01")).unwrap();
        assert_eq!(format!("{:032x}", found.trace_id), TRACE);
        assert_eq!(found.parent_id, Some(0x00f0_67aa_0ba9_02b7));
        assert!(found.sampled);
        assert!(!parse(&format!("00-{TRACE}-{PARENT}-02")).unwrap().sampled);
        for later in ["01-T-P-03", "cc-T-P-01-what-may-come", "01-T-P-01-"] {
            let text = later.replace('T', TRACE).replace('P', PARENT);
            assert!(parse(&text).unwrap().sampled, "{text}");
        }
    }

    #[test]
    fn an_invalid_header_begins_a_new_trace() {
        let upper = TRACE.to_uppercase();
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}-{PARENT}-0g"),
            format!("00-{TRACE}-{PARENT}-01-"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("01-{TRACE}-{PARENT}-01more"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{upper}-{PARENT}-01"),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{PARENT}-01", &TRACE[1..]),
            format!("00-{}+{}-{PARENT}-01", &TRACE[..1], &TRACE[2..]),
        ] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
        let mut headers = HeaderMap::new();
        let first = TraceContext::of(&headers);
        assert!(first.trace_id != 0 && first.parent_id.is_none());
        assert_ne!(first.trace_id, TraceContext::of(&headers).trace_id);
        // Two headers
        let value = format!("00-{TRACE}-{PARENT}-01").parse().unwrap();
        headers.append(TRACEPARENT, value);
        assert!(TraceContext::of(&headers).parent_id.is_some());
        let value = format!("00-{TRACE}-{PARENT}-01").parse().unwrap();
        headers.append(TRACEPARENT, value);
        assert_eq!(TraceContext::of(&headers).parent_id, None);
    }
}
