//! Images that a request names by URL. They are fetched only from hosts in the settings, and only if the address of the host
//! is public or explicitly permitted.
//!
//! ```text
//! URL → HostList (name, port) → Resolver (checks every address with Networks) → connection to that address → redirect? again
//! ```
//!
//! The connection uses the address that was checked: the resolver returns no other, and no name is resolved twice. Proxies,
//! cookies, credentials and compression are not used.

mod client;
mod fetcher;
mod hosts;
mod networks;
mod resolver;

pub use fetcher::{FetchRules, Fetcher, Stopped};
pub use hosts::HostList;
pub use networks::Networks;

use crate::error_code::Code;

/// The reason why an image could not be fetched. The texts are for the sender of the URL: they do not reveal the host's
/// addresses or its answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It is not a valid URL.
    #[error("invalid image URL: {0}")]
    Invalid(String),
    /// The settings do not allow it.
    #[error("this URL is not allowed: {0}; send the image itself, as base64 or as a form field")]
    NotAllowed(&'static str),
    /// The server of the image did not return it.
    #[error("the image could not be fetched: {0}; check the URL, or send the image itself")]
    Failed(String),
    /// It took too long.
    #[error("the image could not be fetched within {0} s; try again, or send the image itself")]
    TimedOut(u64),
    /// It exceeds the maximum size.
    #[error("the image at this URL has more than {0} bytes; give a smaller one")]
    TooManyBytes(usize),
}

impl FetchError {
    /// A stable name for this kind of failure, for programs and metrics.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::UrlInvalid,
            Self::NotAllowed(_) => Code::UrlNotAllowed,
            Self::Failed(_) => Code::UrlFetchFailed,
            Self::TimedOut(_) => Code::UrlTimeout,
            Self::TooManyBytes(_) => Code::ImageTooManyBytes,
        }
    }
}
