//! Connections: accepts them, encrypts them if configured, and limits the time that they may be silent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::stalled_writes::ReadersOnly;
use crate::api::AppState;

/// Maximum time of a TLS handshake, independent of the limit for a request's head.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Maximum time for an HTTP/2 client to answer a ping.
const PING_TIME: Duration = Duration::from_secs(20);

/// Minimum time between two log lines about connections that cannot be accepted; accepting is retried twenty times a second.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// Buffer of an HTTP/1 connection in bytes, and the largest head of a request. No budget counts it: with hyper's 408 KiB, a
/// thousand connections that send bodies took 400 MiB.
const READ_BUFFER: usize = 128 << 10;

/// Serves connections until the handle stops and the accepted requests are answered. A request's head must arrive within
/// `head_time` of the start of the connection or of the previous answer; HTTP/2 clients are pinged at that interval. A
/// connection whose client reads nothing of an answer for `request_time` is closed.
///
/// # Errors
/// A permanent error of the system.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<RustlsConfig>,
    head_time: Duration,
    request_time: Duration,
    handle: Handle<SocketAddr>,
) -> std::io::Result<()> {
    let complained = Mutex::new(None::<Instant>);
    let mut server = Server::<SocketAddr>::from_listener(listener)
        .handle(handle)
        .first_request_timeout(head_time)
        .accept_error_handler(move |address, error| match address {
            // Port scanners, or clients that do not trust the certificate: the operator need not act.
            Some(address) => tracing::debug!(%address, %error, "connection not established"),
            // For example, too many open files.
            None => {
                let mut last = complained.lock();
                if last.is_none_or(|last| last.elapsed() > COMPLAINTS) {
                    *last = Some(Instant::now());
                    tracing::warn!(%error, "cannot accept connections at the moment");
                }
            }
        });
    let mut http1 = server.http_builder().http1();
    http1
        .header_read_timeout(head_time)
        .max_buf_size(READ_BUFFER);
    // An HTTP/2 connection may be idle between requests, as with gRPC clients, but not if the other end has vanished.
    let mut http2 = server.http_builder().http2();
    http2.keep_alive_interval(head_time);
    http2.keep_alive_timeout(head_time.min(PING_TIME));
    let service = router.into_make_service();
    let readers = ReadersOnly {
        patience: request_time,
    };
    match tls {
        None => server.acceptor(readers).serve(service).await,
        Some(config) => {
            let acceptor = RustlsAcceptor::new(config)
                .handshake_timeout(head_time.min(HANDSHAKE_TIME))
                .acceptor(readers);
            server.acceptor(acceptor).serve(service).await
        }
    }
}

/// From the start of a stop on, each HTTP/1 answer is the last one on its connection and says so. Without that, a client
/// could send the next request before it notices the close. HTTP/2 has its own message for this.
pub async fn close_at_stop(
    State(state): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let version = request.version();
    let mut response = next.run(request).await;
    if state.is_stopping() && version < Version::HTTP_2 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}
