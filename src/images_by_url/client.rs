//! The HTTP client, without redirects, proxies, cookies or compression.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Client, redirect};

use super::resolver::{AddressRefused, NameUnknown, Resolver};
use super::{FetchError, Networks, networks};

/// Number of idle connections to one host, and how long they stay open.
const IDLE_CONNECTIONS: usize = 4;
const IDLE_TIME: Duration = Duration::from_secs(10);

/// A client that resolves names only to addresses that `networks` allow. It does not check addresses in URLs.
///
/// # Errors
/// A sentence, mainly if the system has no certificates.
pub fn build(networks: Arc<Networks>, time: Duration) -> Result<Client, String> {
    // A process has one provider; an existing one is equally suitable.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("image/*, */*;q=0.1"))]);
    Client::builder()
        .user_agent(concat!("clip-in/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .dns_resolver(Resolver(networks))
        // Half, so that a host without a connection has one code: with the whole time, this limit and the fetch's own
        // would end together.
        .connect_timeout(time / 2)
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

/// The client's error for a failed request. The full chain goes only to the log, because it can contain addresses.
pub fn failure(error: &reqwest::Error) -> FetchError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if this.is::<AddressRefused>() {
            return FetchError::NotAllowed(networks::PRIVATE);
        }
        if this.is::<NameUnknown>() {
            return FetchError::Failed("the host's name is not known".to_owned());
        }
        cause = this.source();
    }
    tracing::debug!(error = innermost(error), "image could not be fetched");
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
