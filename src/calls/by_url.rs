//! Images that are named by URL: replaces the URL by the image's bytes, before the engine gets the items.
//!
//! Fetched images count towards the same byte budget as bodies, and a request's images together may be as large as a body.
//! Nothing waits in the engine meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::api::byte_share::ByteShare;
use crate::api::{ApiError, AppState};
use crate::engine::{Deadline, EngineError};
use crate::error_code::Code;
use crate::images_by_url::{Fetcher, Stopped};

/// Maximum concurrent fetches of one request, so that a request cannot take all fetch slots.
const AT_A_TIME: usize = 8;

/// Images of a request. Their share of the byte budget is released when this is dropped.
#[derive(Debug)]
pub struct Fetched<P> {
    /// By index in the request; a URL that occurs several times is fetched once.
    pub images: Vec<(P, Bytes)>,
    /// Indices whose image could not be fetched; only with [`fetch_each`].
    pub failed: Vec<(P, ApiError)>,
    _shares: Vec<ByteShare>,
}

/// The reason why a request's images were not fetched.
#[derive(Debug)]
pub struct NotFetched<P> {
    /// The index of the image at fault; `None` if no single image is at fault.
    pub place: Option<P>,
    /// The error to answer.
    pub error: ApiError,
}

/// Fetches all images, or fails with the first one that cannot be fetched.
///
/// # Errors
/// [`NotFetched`]; also when the deadline passes.
pub async fn fetch<P: Clone>(
    state: &AppState,
    fetcher: &Fetcher,
    urls: Vec<(P, String)>,
    deadline: Deadline,
) -> Result<Fetched<P>, NotFetched<P>> {
    bounded(fetch_unbounded(state, fetcher, urls, false), deadline).await
}

/// Fetches what can be fetched; the errors of the others go into `failed`.
///
/// # Errors
/// [`NotFetched`] for errors that no single image causes, such as a deadline that passes.
pub async fn fetch_each<P: Clone>(
    state: &AppState,
    fetcher: &Fetcher,
    urls: Vec<(P, String)>,
    deadline: Deadline,
) -> Result<Fetched<P>, NotFetched<P>> {
    bounded(fetch_unbounded(state, fetcher, urls, true), deadline).await
}

async fn bounded<P>(
    all: impl Future<Output = Result<Fetched<P>, NotFetched<P>>>,
    deadline: Deadline,
) -> Result<Fetched<P>, NotFetched<P>> {
    let Some(deadline) = deadline else {
        return all.await;
    };
    let fetched = tokio::time::timeout_at(deadline.into(), all).await;
    fetched.unwrap_or_else(|_| {
        Err(NotFetched {
            place: None,
            error: EngineError::DeadlineExceeded.into(),
        })
    })
}

async fn fetch_unbounded<P: Clone>(
    state: &AppState,
    fetcher: &Fetcher,
    urls: Vec<(P, String)>,
    each: bool,
) -> Result<Fetched<P>, NotFetched<P>> {
    let mut distinct: Vec<(String, Vec<P>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (place, url) in urls {
        match known.get(&url).and_then(|at| distinct.get_mut(*at)) {
            Some((_, places)) => places.push(place),
            None => {
                known.insert(url.clone(), distinct.len());
                distinct.push((url, vec![place]));
            }
        }
    }
    let total = AtomicUsize::new(0);
    let fetches = distinct.into_iter().map(|(url, places)| {
        let total = &total;
        async move {
            let fetched = one(state, fetcher, &url, total).await;
            match fetched {
                Ok((image, share)) => Ok((places, Ok((image, share)))),
                Err((true, error)) if each => Ok((places, Err(error))),
                Err((is_image_s, error)) => Err(NotFetched {
                    place: places.first().cloned().filter(|_| is_image_s),
                    error,
                }),
            }
        }
    });
    // In order, so that the same request gets the same error.
    let fetched = stream::iter(fetches).buffered(AT_A_TIME);
    let fetched: Vec<_> = fetched.try_collect().await?;
    let (mut images, mut failed, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for (places, outcome) in fetched {
        match outcome {
            Ok((image, share)) => {
                images.extend(places.into_iter().map(|p| (p, image.clone())));
                shares.push(share);
            }
            Err(error) => failed.extend(places.into_iter().map(|p| (p, error.clone()))),
        }
    }
    Ok(Fetched {
        images,
        failed,
        _shares: shares,
    })
}

/// One image with its share of the byte budget; or the error, and whether the image is at fault.
async fn one(
    state: &AppState,
    fetcher: &Fetcher,
    url: &str,
    total: &AtomicUsize,
) -> Result<(Bytes, ByteShare), (bool, ApiError)> {
    let most = state.admission.max_body_bytes();
    let mut share = state.admission.share();
    let grown = |bytes: usize| {
        let more = bytes.saturating_sub(share.bytes());
        if total.fetch_add(more, Ordering::Relaxed) + more > most {
            let message = format!(
                "the images behind this request's URLs have together more than {most} bytes; send fewer at a time"
            );
            return Err(ApiError::new(Code::BodyTooLarge, message));
        }
        share.resize(bytes)
    };
    match fetcher.fetch(url, grown).await {
        Ok(image) => Ok((image, share)),
        Err(Stopped::Fetch(error)) => Err((true, error.into())),
        Err(Stopped::Caller(error)) => Err((false, error)),
    }
}
