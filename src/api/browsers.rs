//! Protects a server without keys from requests of foreign web pages in a browser.
//!
//! Such a server answers every client that reaches its address. A browser reaches `localhost` and runs pages of any site.
//! Two attacks are prevented here. DNS rebinding: the page's own host name is pointed at this machine, so requests name a
//! foreign host. Cross-site requests: forms and `fetch` send bodies without a preflight; browsers mark them with
//! `Sec-Fetch-Site` (Fetch Metadata, W3C) and `Origin` (RFC 6454).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::admission::drain;
use super::{ApiError, ApiKeys};
use crate::error_code::Code;

/// The rules of a server.
#[derive(Debug, Clone)]
pub struct BrowserRules {
    keys: Arc<ApiKeys>,
    /// Whether requests must name this machine: true if the server listens on a loopback address, which no other name
    /// belongs to.
    on_loopback: bool,
    /// Other permitted names of the server, such as that of a proxy on the same machine.
    hosts: Arc<[String]>,
    /// Origins whose pages are permitted.
    origins: Arc<[String]>,
}

impl BrowserRules {
    /// The rules for a server that listens on an address.
    pub fn new(
        keys: Arc<ApiKeys>,
        listen: SocketAddr,
        hosts: &[String],
        origins: &[String],
    ) -> Self {
        Self {
            keys,
            on_loopback: listen.ip().is_loopback(),
            hosts: hosts.into(),
            origins: origins.into(),
        }
    }

    fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        // A page cannot send a key that it does not know.
        if self.keys.are_asked_for() {
            return Ok(());
        }
        let host = host_of(uri, headers);
        if self.on_loopback && !host.as_ref().is_some_and(|host| self.is_ours(host)) {
            let message = "without API keys this server answers only requests to localhost or a loopback address; set keys, or name the host in --allowed-hosts";
            return Err(ApiError::new(Code::HostNotAllowed, message));
        }
        if self.is_cross_site(method, host.as_ref(), headers) {
            let message = "a page of another site sent this; without API keys only pages of --cors-origins may";
            return Err(ApiError::new(Code::CrossSite, message));
        }
        Ok(())
    }

    fn is_ours(&self, host: &Authority) -> bool {
        let named = |name: &String| name.eq_ignore_ascii_case(host.host());
        is_this_machine(host) || self.hosts.iter().any(named)
    }

    fn is_cross_site(
        &self,
        method: &Method,
        host: Option<&Authority>,
        headers: &HeaderMap,
    ) -> bool {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let origin = headers.get(header::ORIGIN).map(|value| value.to_str());
        if let Some(Ok(origin)) = origin
            && self.origins.iter().any(|known| known == origin)
        {
            return false;
        }
        // Following a link to a page or a document is not a request by the page with the link.
        let reads = method == Method::GET || method == Method::HEAD;
        if reads && text("sec-fetch-mode") == Some("navigate") {
            return false;
        }
        match (text("sec-fetch-site"), origin) {
            (Some("same-origin" | "none"), _) => false,
            (Some(_), _) => true,
            (None, None) => false,
            (None, Some(Err(_))) => true,
            (None, Some(Ok(origin))) => {
                let origin = origin.split_once("://").map(|(_, authority)| authority);
                let of_this_server = host.is_some_and(|host| origin == Some(host.as_str()));
                !of_this_server
            }
        }
    }
}

/// The host that a request names: in the URI for HTTP/2, in a header for HTTP/1.1.
pub fn host_of(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let header = || headers.get(header::HOST)?.to_str().ok()?.parse().ok();
    uri.authority().cloned().or_else(header)
}

/// Whether a host is a name of this machine that DNS cannot change: `localhost` or a loopback address.
pub fn is_this_machine(host: &Authority) -> bool {
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Rejects forbidden requests with 403 before any other processing.
pub async fn guard(State(rules): State<BrowserRules>, request: Request, next: Next) -> Response {
    match rules.check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => {
            drain(request.into_body()).await;
            error.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(rules: &BrowserRules, method: &Method, headers: &[(&str, &str)]) -> &'static str {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = header::HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.insert(name, value.parse().unwrap());
        }
        let uri = Uri::from_static("/v1/classify");
        rules
            .check(method, &uri, &map)
            .map_or_else(|error| error.code.name(), |()| "allowed")
    }

    fn rules(listen: &str) -> BrowserRules {
        let keys = ApiKeys::open(None, None).unwrap();
        BrowserRules::new(
            keys,
            listen.parse().unwrap(),
            &["proxy.example".to_owned()],
            &["https://app.example".to_owned()],
        )
    }

    #[test]
    fn a_loopback_server_answers_only_to_its_own_names() {
        let local = rules("127.0.0.1:8080");
        for host in [
            "localhost:8080",
            "127.0.0.1",
            "[::1]:8080",
            "proxy.example",
            "PROXY.example:80",
        ] {
            assert_eq!(code(&local, &Method::GET, &[("host", host)]), "allowed");
        }
        for host in ["attacker.example", "attacker.example:8080", "10.0.0.1"] {
            assert_eq!(
                code(&local, &Method::GET, &[("host", host)]),
                "host_not_allowed"
            );
        }
        assert_eq!(code(&local, &Method::GET, &[]), "host_not_allowed");
        // Other machines use any name for a server.
        let public = rules("0.0.0.0:8080");
        let host = [("host", "clip-in.cluster:8080")];
        assert_eq!(code(&public, &Method::POST, &host), "allowed");
    }

    #[test]
    fn pages_of_other_sites_send_nothing() {
        for listen in ["127.0.0.1:8080", "0.0.0.0:8080"] {
            let rules = rules(listen);
            let ask = |method: Method, more: &[(&str, &str)]| {
                let host = [("host", "localhost:8080")];
                code(&rules, &method, &[&host, more].concat())
            };
            for site in ["cross-site", "same-site"] {
                let sent = [("sec-fetch-site", site)];
                assert_eq!(ask(Method::POST, &sent), "cross_site");
                let link = [("sec-fetch-site", site), ("sec-fetch-mode", "navigate")];
                assert_eq!(ask(Method::GET, &link), "allowed");
                // Submitting a form is also a navigation.
                assert_eq!(ask(Method::POST, &link), "cross_site");
            }
            assert_eq!(ask(Method::POST, &[]), "allowed");
            for origin in ["https://attacker.example", "null", "http://localhost:3000"] {
                assert_eq!(ask(Method::PUT, &[("origin", origin)]), "cross_site");
            }
            for origin in ["http://localhost:8080", "https://app.example"] {
                assert_eq!(ask(Method::PUT, &[("origin", origin)]), "allowed");
            }
            let named = [
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://app.example"),
            ];
            assert_eq!(ask(Method::POST, &named), "allowed");
        }
    }
}
