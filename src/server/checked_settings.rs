//! Checks all settings at once before a model is loaded, so that a start fails early and reports every error.

use std::sync::Arc;

use tower_http::cors::CorsLayer;

use super::cors;
use super::error::ServeError;
use super::tls::Tls;
use crate::api::{AdminAccess, ApiKeys};
use crate::config::ServeSettings;
use crate::deliveries::Sink;
use crate::engine::EngineSettings;
use crate::images_by_url::{FetchRules, HostList, Networks};
use crate::telemetry::Collector;

/// Valid settings, with the files that they name.
#[derive(Debug)]
pub struct Checked {
    /// CORS, for web pages of other origins.
    pub cors: Option<CorsLayer>,
    /// Settings of the engine.
    pub engine: EngineSettings,
    /// Settings of the admin routes.
    pub admin: Option<AdminAccess>,
    /// The API keys.
    pub keys: Arc<ApiKeys>,
    /// The certificate.
    pub tls: Option<Tls>,
    /// The rules for fetching images.
    pub fetch_rules: FetchRules,
    /// The sinks of what lines decide.
    pub sinks: Vec<Sink>,
    /// The collector of spans.
    pub collector: Option<Collector>,
}

/// Invalid settings, with the reason.
#[derive(Debug)]
pub struct Refusal {
    /// Their keys in a settings file, the wrong one first.
    pub keys: &'static [&'static str],
    /// The error.
    pub error: ServeError,
}

impl Checked {
    /// Checks settings. Files of keys and certificates are read, and `models_root` must exist; models are not opened.
    ///
    /// # Errors
    /// All errors.
    pub fn new(settings: &ServeSettings) -> Result<Self, Vec<Refusal>> {
        let mut refusals = Vec::new();
        let cors = cors::layer(&settings.cors_origins).map_err(ServeError::Settings);
        let cors = ok_or_record(&mut refusals, &["cors_origins"], cors);
        let engine = settings.engine().map_err(ServeError::Settings);
        let engine = ok_or_record(&mut refusals, &["devices"], engine);
        let admin = AdminAccess::from_settings(settings).map_err(ServeError::from);
        let admin = ok_or_record(&mut refusals, &["admin", "models_root", "listen"], admin);
        let keys = ApiKeys::open(settings.api_keys_file.clone(), settings.api_keys.clone());
        let keys = keys.map_err(ServeError::from);
        let keys = ok_or_record(&mut refusals, &["api_keys_file"], keys);
        let tls = ok_or_record(&mut refusals, &["tls_cert", "tls_key"], open_tls(settings));
        let hosts = HostList::parse(&settings.image_url_hosts).map_err(ServeError::Settings);
        let hosts = ok_or_record(&mut refusals, &["image_url_hosts"], hosts);
        let networks = Networks::parse(&settings.image_url_networks);
        let networks = networks.map_err(ServeError::Settings);
        let networks = ok_or_record(&mut refusals, &["image_url_networks"], networks);
        let rules = hosts.zip(networks);
        let collector = settings.otlp_endpoint.as_deref().map(Collector::parse);
        let collector = collector.transpose().map_err(ServeError::Settings);
        let collector = ok_or_record(&mut refusals, &["otlp_endpoint"], collector);
        let sinks = settings.sinks.as_deref().map(Sink::open);
        let sinks = sinks.transpose().map_err(ServeError::from);
        let sinks = ok_or_record(&mut refusals, &["sinks"], sinks);
        match (cors, engine, admin, keys, tls, rules, collector, sinks) {
            (
                Some(cors),
                Some(engine),
                Some(admin),
                Some(keys),
                Some(tls),
                Some((hosts, networks)),
                Some(collector),
                Some(sinks),
            ) => Ok(Self {
                cors,
                engine,
                admin,
                keys,
                tls,
                fetch_rules: settings.image_url_rules(hosts, networks),
                collector,
                sinks: sinks.unwrap_or_default(),
            }),
            _ => Err(refusals),
        }
    }
}

impl From<Vec<Refusal>> for ServeError {
    fn from(refusals: Vec<Refusal>) -> Self {
        match <[Refusal; 1]>::try_from(refusals) {
            Ok([only]) => only.error,
            Err(several) => {
                let several = several.iter().map(|refusal| refusal.error.to_string());
                Self::Settings(several.collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

/// The value of a result; an error is added to `refusals` for these keys.
fn ok_or_record<T>(
    refusals: &mut Vec<Refusal>,
    keys: &'static [&'static str],
    result: Result<T, ServeError>,
) -> Option<T> {
    let refused = |error| refusals.push(Refusal { keys, error });
    result.map_err(refused).ok()
}

fn open_tls(settings: &ServeSettings) -> Result<Option<Tls>, ServeError> {
    match (&settings.tls_cert, &settings.tls_key) {
        (Some(certificate), Some(key)) => Ok(Some(Tls::open(certificate.clone(), key.clone())?)),
        (None, None) => Ok(None),
        _ => {
            let reason = "--tls-cert and --tls-key: give both or neither";
            Err(ServeError::Settings(reason.to_owned()))
        }
    }
}
