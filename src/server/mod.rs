//! The server: starts from settings, serves, and stops without losing accepted requests.

mod checked_settings;
mod connections;
mod cors;
mod delivering;
mod derived;
mod error;
mod reload;
mod retention;
mod shadowing;
mod shared;
mod stalled_answers;
mod stalled_writes;
mod tls;
mod waiting;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use axum_server::Handle;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub use self::checked_settings::{Checked, Refusal};
pub use self::error::ServeError;
pub use self::tls::TlsError;

use self::reload::Reload;
use self::tls::Tls;
use crate::api::admission::Admission;
use crate::api::browsers::{self, BrowserRules};
use crate::api::{AppState, grpc, rest, trace};
use crate::config::ServeSettings;
use crate::database::Database;
use crate::dataset::store::{Patience, Stores};
use crate::deliveries::Couriers;
use crate::engine::{CpuPool, Loader, Registry};
use crate::images_by_url::Fetcher;
use crate::labelsets::LabelSets;
use crate::lines::{Lines, Shadows};
use crate::references::References;
use crate::telemetry::{Metrics, Spans};

/// Loads the models, listens, and serves until SIGTERM or SIGINT. Then answers the accepted requests and returns.
///
/// # Errors
/// [`ServeError`]; also if a stop left requests unanswered.
pub async fn serve(settings: &ServeSettings) -> Result<(), ServeError> {
    let Checked {
        cors,
        engine,
        admin,
        keys,
        tls,
        fetch_rules,
        collector,
        sinks,
    } = Checked::new(settings)?;
    let metrics = Arc::new(Metrics::new()?);
    let images_by_url = Fetcher::new(fetch_rules, metrics.clone()).map_err(ServeError::Settings)?;
    let spans = collector.map(Spans::to);
    let spans = spans.transpose().map_err(ServeError::Settings)?;
    let pool = CpuPool::new(settings.prepare_threads(), metrics.clone())?;
    // Binds the address first, so that a port in use is reported before a model is loaded.
    let listener =
        TcpListener::bind(settings.listen)
            .await
            .map_err(|reason| ServeError::Listen {
                address: settings.listen,
                reason,
            })?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Installed now, because a signal during the loading of models would otherwise end the process.
    let hangup = signal(SignalKind::hangup())?;
    let loader = Loader {
        precision: settings.precision.clone(),
        settings: engine,
        pool,
        metrics: metrics.clone(),
    };
    let (folders, aliases) = (settings.model.clone(), settings.alias.clone());
    let load = tokio::task::spawn_blocking(move || Registry::open(&folders, aliases, loader));
    let models = Arc::new(load.await.map_err(std::io::Error::other)??);
    metrics.gpu_memory.watch(&settings.devices);
    let admission = Admission::new(
        settings.max_requests as usize,
        settings.bytes_in_flight(),
        settings.max_body_bytes(),
    );
    let shared = match &settings.database {
        Some(url) => Some(Database::at(url.reveal()).await?),
        None => None,
    };
    let labelsets = LabelSets::open(
        settings.state.join("labelsets"),
        shared.clone(),
        settings.max_labelset_items as usize,
        metrics.clone(),
    )
    .await?;
    let references = References::open(
        settings.state.join("references"),
        shared.clone(),
        settings.max_reference_images as usize,
        (settings.max_references_mib as usize) << 20,
    )
    .await?;
    let is_shared = shared.is_some();
    let mut stores = Stores::new(Patience::REQUEST);
    let images = settings.inspection_images.as_deref();
    let images = images
        .map(|place| stores.place(place))
        .transpose()
        .map_err(|error| ServeError::Settings(format!("inspection_images: {error:#}")))?;
    let couriers = Couriers::new(sinks);
    let interests = couriers.interests();
    let lines = Lines::open(settings.state.clone(), shared, images, interests).await?;
    let state = Arc::new(AppState {
        models: models.clone(),
        labelsets,
        references: Arc::new(references),
        lines,
        shadows: Shadows::default(),
        couriers,
        images_by_url,
        metrics,
        max_items: settings.max_items as usize,
        request_time: settings.request_time(),
        admin: admin.map(Arc::new),
        admission,
        keys: keys.clone(),
        stopping: AtomicBool::new(false),
        open: Arc::default(),
    });
    state.embed_labelsets().await;
    state.not_ready_reason();
    let address = listener.local_addr()?;
    tracing::info!(
        model = models.default_model().name(),
        admin = state.admin.is_some(),
        "ready on {}://{address}",
        if tls.is_some() { "https" } else { "http" }
    );

    let grpc = grpc::router(&state).map_err(|e| ServeError::Settings(e.to_string()))?;
    let router = rest::router(state.clone()).layer(from_fn_with_state(grpc, grpc::divert));
    let rules = BrowserRules::new(
        keys.clone(),
        settings.listen,
        &settings.allowed_hosts,
        &settings.cors_origins,
    );
    let router = router.layer(from_fn_with_state(rules, browsers::guard));
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    let router = router
        .layer(from_fn_with_state(
            state.clone(),
            connections::close_at_stop,
        ))
        .layer(from_fn_with_state(
            state.request_time,
            stalled_answers::drop_stalled,
        ))
        .layer(from_fn_with_state(spans.clone(), trace::trace));
    let handle = Handle::new();
    let server = connections::serve(
        listener,
        router,
        tls.as_ref().map(Tls::config),
        settings.header_time(),
        settings.request_time(),
        handle.clone(),
    );
    let reload = Reload {
        keys: keys.clone(),
        certificate: tls.as_ref().map(Tls::certificate),
        state: state.clone(),
    };
    let reloading = tokio::spawn(reload.follow(hangup));
    let following = tokio::spawn(keys.follow());
    let renewing = tls.map(|tls| tokio::spawn(tls.follow()));
    let retaining = tokio::spawn(retention::follow(state.clone(), settings.retention_time()));
    let storing = tokio::spawn(waiting::follow(state.clone()));
    let delivering = tokio::spawn(delivering::start(state.clone()));
    let shadowing = tokio::spawn(shadowing::follow(state.clone()));
    let agreeing = is_shared.then(|| tokio::spawn(shared::follow(state.clone())));
    let mut server = tokio::spawn(server);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = &mut server => return Ok(ended.map_err(std::io::Error::other)??),
    }
    state.begin_stop();
    if !settings.unready_time().is_zero() {
        let seconds = settings.unready_time().as_secs();
        tracing::info!(
            seconds,
            "stopping: reporting not ready, and answering until proxies have noticed"
        );
        tokio::select! {
            () = tokio::time::sleep(settings.unready_time()) => {}
            // A second signal ends the wait.
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    reloading.abort();
    shadowing.abort();
    retaining.abort();
    storing.abort();
    if let Some(agreeing) = agreeing {
        agreeing.abort();
    }
    following.abort();
    if let Some(renewing) = renewing {
        renewing.abort();
    }
    tracing::info!("stopping: accepted requests are still answered");
    handle.graceful_shutdown(None);
    let closing = close_when_idle(&state, &handle, settings.drain_time());
    let drained = tokio::time::timeout(settings.drain_time(), async {
        tokio::join!(server, closing).0
    });
    let drained = drained.await;
    let stop = move || {
        models.stop();
        if let Some(spans) = spans {
            spans.flush();
        }
    };
    tokio::task::spawn_blocking(stop)
        .await
        .map_err(std::io::Error::other)?;
    match drained {
        Ok(ended) => ended.map_err(std::io::Error::other)??,
        Err(_) => return Err(ServeError::DrainTimeout(settings.drain_time().as_secs())),
    }
    delivering.abort();
    state.couriers.stop().await;
    if let Some(reviews) = state.lines.reviews() {
        reviews.close().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Maximum time for sending the last answers at a stop.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// Closes the connections without a running request. Otherwise a client that does not close its side, such as an HTTP/2
/// client that answers no pings, would delay a stop until its time limit.
async fn close_when_idle(state: &AppState, handle: &Handle<SocketAddr>, longest: Duration) {
    let pause = LAST_BYTES.min(longest / 4);
    loop {
        tokio::time::sleep(pause).await;
        if handle.connection_count() == 0 {
            return;
        }
        if state.is_idle() {
            // The last data may not have been sent yet.
            tokio::time::sleep(pause).await;
            if state.is_idle() {
                handle.shutdown();
                return;
            }
        }
    }
}
