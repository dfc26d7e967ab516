//! The address of the collector.

use std::fmt;

use tonic::transport::{Channel, ClientTlsConfig, Endpoint, Error};
use url::Url;

use super::EXPORT_TIME;

/// The address of an OpenTelemetry collector: `http://` or `https://`, a host, and a port if it is not the scheme's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector(Url);

impl Collector {
    /// Parses a URL.
    ///
    /// # Errors
    /// A sentence about the error, without the URL's content.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |reason: &str| {
            format!(
                "--otlp-endpoint: {reason}; write http://127.0.0.1:4317, or https:// with a host"
            )
        };
        let url =
            Url::parse(text).map_err(|error| wrong(&format!("this is not a URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("the scheme must be http or https"));
        }
        if !url.has_host() {
            return Err(wrong("the host is missing"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "credentials are not allowed in the URL, because it is logged; use OTEL_EXPORTER_OTLP_HEADERS in the environment",
            ));
        }
        // The calls have their own paths; a given path would be silently ignored.
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(
                "a path has no meaning for OTLP over gRPC (port 4317, not 4318)",
            ));
        }
        Ok(Self(url))
    }

    /// A channel that connects at its first use, and again whenever necessary.
    pub(super) fn into_channel(self) -> Result<Channel, Error> {
        let is_tls = self.0.scheme() == "https";
        let mut endpoint = Endpoint::from_shared(String::from(self.0))?;
        if is_tls {
            endpoint = endpoint.tls_config(ClientTlsConfig::new().with_enabled_roots())?;
        }
        let bounded = endpoint.connect_timeout(EXPORT_TIME).timeout(EXPORT_TIME);
        Ok(bounded.connect_lazy())
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_and_a_host_are_an_endpoint_and_nothing_else_is() {
        for good in [
            "http://127.0.0.1:4317",
            "http://collector:4317/",
            "https://otel.example.com",
            "http://[::1]:4317",
        ] {
            let collector = Collector::parse(good).unwrap();
            assert_eq!(collector.to_string(), good.trim_end_matches('/'));
        }
        for bad in [
            "",
            "127.0.0.1:4317",
            "collector:4317",
            "grpc://collector:4317",
            "http://",
            "http://collector:99999",
            "http://user:secret@collector:4317",
            "http://collector:4318/v1/traces",
            "http://collector:4317?token=secret",
        ] {
            let refusal = Collector::parse(bad).unwrap_err();
            assert!(refusal.starts_with("--otlp-endpoint: "), "{refusal}");
            assert!(!refusal.contains("secret"), "{refusal}");
        }
    }
}
