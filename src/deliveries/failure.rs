//! Why a receiver does not take a message.

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The receiver is not there.
    Away(String),
    /// It is there and cannot take the message now.
    Later(String),
    /// It refuses this message.
    Refused(String),
}

impl Failure {
    /// The reason.
    pub fn reason(&self) -> &str {
        match self {
            Self::Away(reason) | Self::Later(reason) | Self::Refused(reason) => reason,
        }
    }
}
