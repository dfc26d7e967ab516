//! Connections: accepted, encrypted if that is asked for, and bounded in the time that they may be silent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use tokio::net::TcpListener;

use super::stalled_writes::ReadersOnly;
use crate::api::AppState;

/// Longest time of a TLS handshake, however long a request's head may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Longest time that an HTTP/2 client may take to answer a ping.
const PING_TIME: Duration = Duration::from_secs(20);

/// Time between two log lines about connections that cannot be accepted; it is tried again twenty times a second.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// Answers connections until the handle says stop and the accepted requests are answered. A request's head must be there
/// within `head_time` of the connection's begin, or of the answer before it; HTTP/2 clients are pinged as often. A client
/// that takes nothing of an answer for `request_time` is given up.
///
/// # Errors
/// What the system refuses for good.
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
            // Port scanners, clients that do not trust our certificate: nothing that an operator must act on.
            Some(address) => tracing::debug!(%address, %error, "a connection was not made"),
            // Too many open files, say.
            None => {
                let mut last = complained.lock().unwrap_or_else(PoisonError::into_inner);
                if last.is_none_or(|last| last.elapsed() > COMPLAINTS) {
                    *last = Some(Instant::now());
                    tracing::warn!(%error, "connections cannot be accepted at the moment");
                }
            }
        });
    server.http_builder().http1().header_read_timeout(head_time);
    // An HTTP/2 connection may be idle between requests, as gRPC clients are; one whose other end has vanished may not.
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

/// From the moment at which a stop begins, each HTTP/1 answer is its connection's last and says so: a client that learned
/// of the end by the closing alone might have sent the next request by then. HTTP/2 has a message of its own for that.
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
