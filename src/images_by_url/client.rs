//! The HTTP client, without redirects, proxies, cookies and compression of its own.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Client, redirect};

use super::resolver::{AddressRefused, NameUnknown, Resolver};
use super::{FetchError, Networks};

/// Connections to one host that wait for the next fetch, and how long.
const IDLE_CONNECTIONS: usize = 4;
const IDLE_TIME: Duration = Duration::from_secs(10);

/// A client that connects only to what `networks` allow, in the place of names; addresses in URLs are not its business.
///
/// # Errors
/// A sentence, mainly if the system has no certificates.
pub fn build(networks: Arc<Networks>, time: Duration) -> Result<Client, String> {
    // The whole process has one; if another was chosen before, that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("image/*, */*;q=0.1"))]);
    Client::builder()
        .user_agent(concat!("clip-in/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .dns_resolver(Resolver(networks))
        .connect_timeout(time)
        .http1_only()
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_TIME)
        .build()
        .map_err(|error| {
            format!(
                "--image-url-hosts: no HTTPS without the system's certificates ({}); install ca-certificates, or name a \
                 file in SSL_CERT_FILE",
                innermost(&error)
            )
        })
}

/// What a failed request is to the client. The whole chain goes to the log only: it can name addresses.
pub fn failure(error: &reqwest::Error) -> FetchError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if this.is::<AddressRefused>() {
            return FetchError::NotAllowed(super::fetcher::PRIVATE);
        }
        if this.is::<NameUnknown>() {
            return FetchError::Failed("the host's name is not known".to_owned());
        }
        cause = this.source();
    }
    tracing::debug!(error = innermost(error), "an image could not be fetched");
    let reason = if error.is_timeout() || error.is_connect() {
        "no connection to the host"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the host gave no HTTP answer"
    };
    FetchError::Failed(reason.to_owned())
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
