//! One fetch: checked, with limits on time, size and concurrency; redirects are followed explicitly.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_ENCODING, LOCATION};
use reqwest::{Client, Response, StatusCode};
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::{FetchError, HostList, Networks, client, networks};
use crate::telemetry::Metrics;

/// Maximum number of redirects.
const MOST_REDIRECTS: usize = 3;

/// Maximum length of a URL in bytes.
const LONGEST_URL: usize = 8192;

/// Maximum memory that is reserved for an announced length before data arrives.
const MOST_RESERVED: u64 = 4 << 20;

/// The rules for fetching.
#[derive(Debug, Clone)]
pub struct FetchRules {
    /// The permitted hosts.
    pub hosts: HostList,
    /// The permitted private networks.
    pub networks: Networks,
    /// Timeout, including all redirects.
    pub time: Duration,
    /// Maximum bytes of an image.
    pub max_bytes: usize,
    /// Maximum concurrent fetches; others wait.
    pub at_a_time: usize,
}

/// Fetches images.
#[derive(Debug)]
pub struct Fetcher {
    rules: FetchRules,
    networks: Arc<Networks>,
    client: Client,
    places: Semaphore,
    metrics: Arc<Metrics>,
}

/// The reason why there is no image.
#[derive(Debug)]
pub enum Stopped<E> {
    /// The fetch failed.
    Fetch(FetchError),
    /// The caller stopped it.
    Caller(E),
}

impl<E> From<FetchError> for Stopped<E> {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

/// Counts a fetch when it ends, also when it is cancelled.
struct FetchCount<'a> {
    metrics: &'a Metrics,
    result: &'static str,
}

impl Drop for FetchCount<'_> {
    fn drop(&mut self) {
        let counter = &self.metrics.image_url_fetches;
        counter.with_label_values(&[self.result]).inc();
    }
}

impl Fetcher {
    /// A fetcher with these rules; `None` if they list no host.
    ///
    /// # Errors
    /// A sentence, if the system has no certificates for HTTPS.
    pub fn new(rules: FetchRules, metrics: Arc<Metrics>) -> Result<Option<Self>, String> {
        if rules.hosts.is_empty() {
            return Ok(None);
        }
        let networks = Arc::new(rules.networks.clone());
        Ok(Some(Self {
            client: client::build(networks.clone(), rules.time)?,
            places: Semaphore::new(rules.at_a_time),
            networks,
            rules,
            metrics,
        }))
    }

    /// Fetches an image. `grown` is called with the number of bytes before they are stored, and may refuse them.
    ///
    /// # Errors
    /// [`Stopped`], because of the fetch or of `grown`.
    pub async fn fetch<E>(
        &self,
        url: &str,
        grown: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Bytes, Stopped<E>> {
        let mut count = FetchCount {
            metrics: &self.metrics,
            result: "abandoned",
        };
        let result = self.fetch_uncounted(url, grown).await;
        count.result = match &result {
            Ok(_) => "ok",
            Err(Stopped::Fetch(error)) => error.code().name(),
            Err(Stopped::Caller(_)) => "over_budget",
        };
        result
    }

    async fn fetch_uncounted<E>(
        &self,
        url: &str,
        grown: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Bytes, Stopped<E>> {
        if url.len() > LONGEST_URL {
            let reason = format!(
                "it has {} bytes; at most {LONGEST_URL} are allowed",
                url.len()
            );
            return Err(FetchError::Invalid(reason).into());
        }
        let url = Url::parse(url).map_err(|e| FetchError::Invalid(e.to_string()))?;
        self.check(&url)?;
        // Refusals cost nothing, so only a fetch over the network needs a slot.
        let _place = self.places.acquire().await;
        let late = || FetchError::TimedOut(self.rules.time.as_secs());
        let followed = tokio::time::timeout(self.rules.time, self.follow(url, grown)).await;
        followed.map_err(|_| late())?
    }

    async fn follow<E>(
        &self,
        mut url: Url,
        grown: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Bytes, Stopped<E>> {
        for _ in 0..=MOST_REDIRECTS {
            let response = self.client.get(url.clone()).send().await;
            let response = response.map_err(|error| client::failure(&error))?;
            match redirect(&url, &response)? {
                Some(next) => {
                    self.check(&next)?;
                    url = next;
                }
                None => return self.read(response, grown).await,
            }
        }
        let reason = format!("it was redirected more than {MOST_REDIRECTS} times");
        Err(FetchError::Failed(reason).into())
    }

    /// Checks a URL: the first one, and each redirect.
    fn check(&self, url: &Url) -> Result<(), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::NotAllowed("only http and https are fetched"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::NotAllowed(
                "it contains a user name or password",
            ));
        }
        if !self.rules.hosts.allow(url) {
            let reason = "its host and port are not allowed by this server's settings";
            return Err(FetchError::NotAllowed(reason));
        }
        // Addresses in URLs are not resolved, so the resolver does not check them.
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.networks.allow(address) {
            Ok(())
        } else {
            Err(FetchError::NotAllowed(networks::PRIVATE))
        }
    }

    async fn read<E>(
        &self,
        mut response: Response,
        mut grown: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Bytes, Stopped<E>> {
        if response.status() != StatusCode::OK {
            let reason = format!("the host answered {}", response.status().as_u16());
            return Err(FetchError::Failed(reason).into());
        }
        let plain = |coding: &[u8]| coding.eq_ignore_ascii_case(b"identity");
        let codings = response.headers().get_all(CONTENT_ENCODING).into_iter();
        if codings
            .map(|value| value.as_bytes())
            .any(|coding| !plain(coding))
        {
            // It was not requested, and its decompressed size has no limit.
            return Err(FetchError::Failed("the answer is compressed".to_owned()).into());
        }
        let most = self.rules.max_bytes;
        let announced = response.content_length().unwrap_or(0);
        if announced > most as u64 {
            return Err(FetchError::TooManyBytes(most).into());
        }
        let mut image = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| client::failure(&e))? {
            if image.len() + chunk.len() > most {
                return Err(FetchError::TooManyBytes(most).into());
            }
            grown(image.len() + chunk.len()).map_err(Stopped::Caller)?;
            if image.is_empty() {
                // The announced length avoids copies; it is limited, so that an announcement alone costs no memory.
                let reserved = usize::try_from(announced.min(MOST_RESERVED)).unwrap_or(0);
                image.reserve(reserved.max(chunk.len()));
            }
            image.extend_from_slice(&chunk);
        }
        Ok(image.freeze())
    }
}

/// The target of a redirect, if the answer is one.
fn redirect(from: &Url, response: &Response) -> Result<Option<Url>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let lost = || FetchError::Failed("it was redirected without a valid target".to_owned());
    let to = response.headers().get(LOCATION).ok_or_else(lost)?;
    let to = to.to_str().map_err(|_| lost())?;
    let to = from.join(to).map_err(|_| lost())?;
    if from.scheme() == "https" && to.scheme() == "http" {
        let reason = "it was redirected from https to http";
        return Err(FetchError::NotAllowed(reason));
    }
    Ok(Some(to))
}
