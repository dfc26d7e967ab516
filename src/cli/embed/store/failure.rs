//! What to tell of a request to an object store that failed for good.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};

use object_store::Error;
use object_store::client::HttpError;

/// The first failure of a store in this run. A file that is broken is broken tomorrow too, and is listed; a store that does not
/// answer says nothing of its objects, so the run ends, and a later one goes on.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<OnceLock<String>>);

impl Faults {
    /// Notes a failure, unless one is noted.
    pub fn note(&self, what: &str) {
        let _ = self.0.set(what.to_owned());
    }

    /// The first one.
    pub fn first(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// Says what failed, where, and what to do. Never the store's whole answer: some stores repeat key ids and signed text in it.
pub fn told(error: &Error, shown: &str) -> String {
    let code = code(error);
    let said = code
        .as_ref()
        .map(|code| format!(" ({code})"))
        .unwrap_or_default();
    match error {
        Error::NotFound { .. } if code.as_deref() == Some("NoSuchBucket") => {
            format!("{shown}: there is no such bucket; check its name and AWS_ENDPOINT_URL{said}")
        }
        Error::NotFound { .. } => format!("there is no {shown}{said}"),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => format!(
            "the store refuses access to {shown}{said}; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and what they may do"
        ),
        Error::Precondition { .. } => {
            format!(
                "{shown} has changed since it was listed{said}; start again when nobody writes there"
            )
        }
        error => match unanswered(error) {
            Some(why) => format!(
                "{shown} cannot be reached{said}: {why}; check AWS_ENDPOINT_URL, AWS_REGION, credentials, and AWS_ALLOW_HTTP=true for http://"
            ),
            None => format!(
                "{shown}: the store answers with an error{said}; check AWS_REGION and AWS_ENDPOINT_URL, or try again later"
            ),
        },
    }
}

/// The store's code, such as `NoSuchKey`, or else the status, out of its answer.
fn code(error: &Error) -> Option<String> {
    let said = error.to_string();
    let between = |before: &str, after: char| {
        let (_, rest) = said.split_once(before)?;
        let (found, _) = rest.split_once(after)?;
        let short = !found.is_empty() && found.len() < 80;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b' ';
        (short && found.bytes().all(plain)).then(|| found.to_owned())
    };
    between("<Code>", '<').or_else(|| between("status code: ", ':'))
}

/// Why a request got no answer; None if it got one.
fn unanswered(error: &Error) -> Option<String> {
    let mut cause = error.source();
    let mut reached = false;
    let mut last = None;
    while let Some(found) = cause {
        reached |= found.downcast_ref::<HttpError>().is_some();
        last = reached.then(|| found.to_string());
        cause = found.source();
    }
    last
}
