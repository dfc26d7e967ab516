//! One fetch: checked, bounded in time, size and number, redirects followed by hand.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_ENCODING, LOCATION};
use reqwest::{Client, Response, StatusCode};
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::{FetchError, HostList, Networks, client};
use crate::telemetry::Metrics;

/// Redirects that are followed.
const MOST_REDIRECTS: usize = 3;

/// Longest URL in bytes.
const LONGEST_URL: usize = 8192;

/// Most that an announced length makes us set aside before anything has come.
const MOST_RESERVED: u64 = 4 << 20;

pub(super) const PRIVATE: &str = "its host is in a network that is not fetched from";

/// What may be fetched.
#[derive(Debug, Clone)]
pub struct FetchRules {
    /// From which hosts.
    pub hosts: HostList,
    /// From which private networks.
    pub networks: Networks,
    /// How long it may take, with all redirects.
    pub time: Duration,
    /// Bytes of an image.
    pub max_bytes: usize,
    /// Fetches at a time; others wait.
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

/// Why there is no image.
#[derive(Debug)]
pub enum Stopped<E> {
    /// It was not to be had.
    Fetch(FetchError),
    /// The caller did not want more of it.
    Caller(E),
}

impl<E> From<FetchError> for Stopped<E> {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

/// Counts a fetch when it is over, also when it is dropped half-way.
struct Outcome<'a> {
    metrics: &'a Metrics,
    result: &'static str,
}

impl Drop for Outcome<'_> {
    fn drop(&mut self) {
        let counter = &self.metrics.image_url_fetches;
        counter.with_label_values(&[self.result]).inc();
    }
}

impl Fetcher {
    /// Fetches by these rules; `None` if they list no host.
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

    /// Fetches an image. `grown` is told how many bytes there are before they are kept, and may refuse them.
    ///
    /// # Errors
    /// [`Stopped`], by what was found or by `grown`.
    pub async fn fetch<E>(
        &self,
        url: &str,
        grown: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<Bytes, Stopped<E>> {
        let mut outcome = Outcome {
            metrics: &self.metrics,
            result: "abandoned",
        };
        let result = self.fetch_uncounted(url, grown).await;
        outcome.result = match &result {
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
            let reason = format!("it has {} bytes, at most {LONGEST_URL} are read", url.len());
            return Err(FetchError::Invalid(reason).into());
        }
        let url = Url::parse(url).map_err(|e| FetchError::Invalid(e.to_string()))?;
        self.check(&url)?;
        // Refusals cost nothing, so only what goes out to the network needs a place.
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

    /// Whether a URL may be asked for: the first one, and each that a redirect leads to.
    fn check(&self, url: &Url) -> Result<(), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::NotAllowed("only http and https are fetched"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::NotAllowed("it holds a user's name or password"));
        }
        if !self.rules.hosts.allow(url) {
            let reason = "its host, with its port, is none that this server fetches from";
            return Err(FetchError::NotAllowed(reason));
        }
        // What stands there as an address is not resolved, so the resolver does not see it.
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.networks.allow(address) {
            Ok(())
        } else {
            Err(FetchError::NotAllowed(PRIVATE))
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
            // It was not asked for, and what it unfolds to has no bound.
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
                // The announced length spares copies, bounded so that an announcement alone costs nothing.
                let reserved = usize::try_from(announced.min(MOST_RESERVED)).unwrap_or(0);
                image.reserve(reserved.max(chunk.len()));
            }
            image.extend_from_slice(&chunk);
        }
        Ok(image.freeze())
    }
}

/// Where an answer leads, if it leads elsewhere.
fn redirect(from: &Url, response: &Response) -> Result<Option<Url>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let lost = || FetchError::Failed("it was redirected to nowhere".to_owned());
    let to = response.headers().get(LOCATION).ok_or_else(lost)?;
    let to = to.to_str().map_err(|_| lost())?;
    let to = from.join(to).map_err(|_| lost())?;
    if from.scheme() == "https" && to.scheme() == "http" {
        let reason = "it was redirected from https to http";
        return Err(FetchError::NotAllowed(reason));
    }
    Ok(Some(to))
}
