//! Images that a request names by their URL: fetched only from hosts that the settings list, and only where the address
//! behind the name is public.
//!
//! ```text
//! URL → HostList (name, port) → Resolver (every address asked of Networks) → connection to that address → redirect? again
//! ```
//!
//! The address that is connected to is the one that was checked: the resolver passes on no other, and no name is looked up
//! twice. No proxy, cookie, credential or compression takes part.

mod client;
mod fetcher;
mod hosts;
mod networks;
mod resolver;

pub use fetcher::{FetchRules, Fetcher, Stopped};
pub use hosts::HostList;
pub use networks::Networks;

use crate::error_code::Code;

/// Why an image could not be fetched. The texts are for the sender of the URL: they say nothing of what the host's name
/// stands for, or of what answers there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It is no URL.
    #[error("this is no URL of an image: {0}")]
    Invalid(String),
    /// The settings do not allow it.
    #[error("this URL is not fetched: {0}; send the image itself, as base64 or as a form field")]
    NotAllowed(&'static str),
    /// The other side did not give an image.
    #[error("the image could not be fetched: {0}; check the URL, or send the image itself")]
    Failed(String),
    /// It took too long.
    #[error("the image could not be fetched within {0} s; try again, or send the image itself")]
    TimedOut(u64),
    /// It is larger than an image may be.
    #[error("the image at this URL has more than {0} bytes; give a smaller one")]
    TooManyBytes(usize),
}

impl FetchError {
    /// A stable name for this kind of failure, for programs and for metrics.
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
