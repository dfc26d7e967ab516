//! Messages about a request to an object store that failed after all retries.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};

use object_store::Error;
use object_store::client::HttpError;

/// The first failure of a store in this run. A broken file stays broken and is listed; a store that does not answer says
/// nothing about its objects, so the run ends, and a later one continues.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<OnceLock<String>>);

impl Faults {
    /// Records a failure, unless one is recorded already.
    pub fn note(&self, what: &str) {
        let _ = self.0.set(what.to_owned());
    }

    /// The first failure.
    pub fn first(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// Describes what failed, where, and what to do. It never includes the store's whole answer: some stores repeat key ids and
/// signed text in it.
pub fn told(error: &Error, shown: &str) -> String {
    let (status, code) = answer(error);
    let words = code.as_deref().or(status.as_deref());
    let said = words.map(|words| format!(" ({words})")).unwrap_or_default();
    let is = |number: &str| status.as_deref().is_some_and(|it| it.starts_with(number));
    if code.as_deref() == Some("NoSuchBucket") {
        return format!(
            "{shown}: there is no such bucket{said}; check its name and AWS_ENDPOINT_URL"
        );
    }
    if is("401") || is("403") {
        return format!(
            "the store refuses access to {shown}{said}; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and their permissions"
        );
    }
    match error {
        Error::NotFound { .. } => format!("{shown} does not exist{said}"),
        Error::Precondition { .. } => format!(
            "{shown} has changed since it was listed{said}; start again when no other program writes there"
        ),
        error => match unanswered(error) {
            Some(why) => format!(
                "{shown} cannot be reached: {why}; check AWS_ENDPOINT_URL, AWS_REGION, credentials, and AWS_ALLOW_HTTP=true for http://"
            ),
            None => format!(
                "{shown}: the store answers with an error{said}; check AWS_REGION and AWS_ENDPOINT_URL, or try again later"
            ),
        },
    }
}

/// Status and code of the store's answer, such as `404 Not Found` and `NoSuchKey`, if there are any. The crate has them only
/// in the error's text.
fn answer(error: &Error) -> (Option<String>, Option<String>) {
    let said = error.to_string();
    let between = |before: &str, after: char| {
        let (_, rest) = said.split_once(before)?;
        let (found, _) = rest.split_once(after)?;
        let short = !found.is_empty() && found.len() < 80;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b' ';
        (short && found.bytes().all(plain)).then(|| found.to_owned())
    };
    (between("status code: ", ':'), between("<Code>", '<'))
}

/// The reason why a request got no complete answer; None if it got one.
pub fn unanswered(error: &Error) -> Option<String> {
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
