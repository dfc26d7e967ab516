//! A webhook: a signed request for each message.

use std::fmt;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Certificate, Client, Response, StatusCode, Url, redirect};

use super::failure::Failure;
use super::message::Message;
use super::signature::Signer;
use crate::database::now;
use crate::quoted::quoted;

/// Maximum time of a request, with the answer.
const TIME: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read, at most: then the connection is closed.
const MOST_OF_ANSWER: usize = 16 << 10;

/// The header with the message's id.
const ID: HeaderName = HeaderName::from_static("clip-in-delivery-id");
/// The header with what happened.
const EVENT: HeaderName = HeaderName::from_static("clip-in-event");
/// The header with the signature.
const SIGNATURE: HeaderName = HeaderName::from_static("clip-in-signature");

/// A URL that takes messages.
pub struct Webhook {
    url: Url,
    signer: Signer,
    client: Client,
}

impl Webhook {
    /// For a URL, with the key that signs, and with certificates that are trusted beside the system's.
    ///
    /// # Errors
    /// A sentence, mainly if the system has no certificates.
    pub fn new(url: Url, signer: Signer, trusted: Vec<Certificate>) -> Result<Self, String> {
        // A process has one provider; an existing one is equally suitable.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .tls_certs_merge(trusted)
            .timeout(TIME)
            .connect_timeout(TIME / 2)
            .http1_only()
            .build()
            .map_err(|error| format!("no HTTPS: {}", innermost(&error)))?;
        Ok(Self {
            url,
            signer,
            client,
        })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn send(&self, message: &Message) -> Result<(), Failure> {
        let signature = self.signer.sign(now() / 1000, &message.body);
        let request = self
            .client
            .post(self.url.clone())
            .header(USER_AGENT, concat!("clip-in/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ID, &message.id)
            .header(EVENT, &message.event)
            .header(SIGNATURE, signature)
            .body(message.body.clone());
        // The URL may have a token: it is not shown.
        let answer = request.send().await;
        let answer = answer.map_err(|error| Failure::Away(innermost(&error.without_url())))?;
        let status = answer.status();
        let said = beginning(answer).await;
        if status.is_success() {
            return Ok(());
        }
        let said = if said.is_empty() {
            String::new()
        } else {
            format!(": {}", quoted(&String::from_utf8_lossy(&said)))
        };
        let reason = format!("status {}{said}", status.as_u16());
        Err(if is_refusal(status) {
            Failure::Refused(reason)
        } else {
            Failure::Later(reason)
        })
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Path and query may have a token.
        let host = self.url.host_str();
        f.debug_struct("Webhook")
            .field("host", &host)
            .finish_non_exhaustive()
    }
}

/// Whether the same request would be answered in the same way later.
fn is_refusal(status: StatusCode) -> bool {
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_client_error() && !later.contains(&status)
}

/// The beginning of an answer. It is read so that the connection can be used again.
async fn beginning(mut answer: Response) -> Vec<u8> {
    let mut found = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        found.extend_from_slice(&chunk);
        if found.len() >= MOST_OF_ANSWER {
            break;
        }
    }
    found.truncate(MOST_OF_ANSWER);
    found
}

fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", TIME.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_answers_that_stay() {
        for (status, refused) in [
            (400, true),
            (401, true),
            (404, true),
            (408, false),
            (422, true),
            (429, false),
            (302, false),
            (500, false),
            (503, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_refusal(status), refused, "{status}");
        }
    }
}
