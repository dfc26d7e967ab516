//! The state that every handler shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::admin::AdminAccess;
use super::admission::Admission;
use super::{ApiError, ApiKeys};
use crate::deliveries::Couriers;
use crate::engine::{Model, Registry, RegistryError};
use crate::images_by_url::Fetcher;
use crate::labelsets::LabelSets;
use crate::lines::{Lines, Shadows};
use crate::references::References;
use crate::telemetry::Metrics;
use crate::telemetry::spans::request_span;

/// Shared by all requests.
#[derive(Debug)]
pub struct AppState {
    /// The served models.
    pub models: Arc<Registry>,
    /// The stored label sets.
    pub labelsets: LabelSets,
    /// The stored references.
    pub references: Arc<References>,
    /// The inspection lines.
    pub lines: Lines,
    /// Models that decide beside those that lines have.
    pub shadows: Shadows,
    /// The sinks of what lines decide.
    pub couriers: Couriers,
    /// Fetches images that are named by URL; `None` if that is off, and the engine refuses them then.
    pub images_by_url: Option<Fetcher>,
    /// The process's metrics.
    pub metrics: Arc<Metrics>,
    /// Maximum number of items in one request.
    pub max_items: usize,
    /// Time limit of a request.
    pub request_time: Duration,
    /// Rules of the admin routes; `None` if they are off.
    pub admin: Option<Arc<AdminAccess>>,
    pub(crate) admission: Admission,
    pub(crate) keys: Arc<ApiKeys>,
    pub(crate) stopping: AtomicBool,
    /// Each request that is not answered to its end has a clone; a stop waits for the last one.
    pub(crate) open: Arc<()>,
}

impl AppState {
    /// The model with this name or alias; the default one if the name is missing or "". A request calls this once and holds
    /// the model until it is answered: the model may be replaced meanwhile, and ends with its last user.
    ///
    /// # Errors
    /// 404 `model_not_found`.
    pub fn model(&self, name: Option<&str>) -> Result<Arc<Model>, ApiError> {
        let model = match name {
            None | Some("") => self.models.default_model(),
            Some(name) => {
                let unknown = || RegistryError::Unknown(name.to_owned());
                self.models.get(name).ok_or_else(unknown)?
            }
        };
        request_span::note_model(model.name());
        Ok(model)
    }

    /// Embeds the label sets whose model has changed since they were stored, so that no request waits for it. One that
    /// cannot be embedded is left for the next request, which gets the error.
    pub async fn embed_labelsets(&self) {
        for set in self.labelsets.all() {
            let name = set.definition.model.as_deref();
            let done = match self.model(name) {
                Ok(model) => {
                    let embedded = self.labelsets.embedded_by(&set, &model).await;
                    embedded.map(drop).map_err(|error| error.to_string())
                }
                Err(error) => Err(error.message),
            };
            if let Err(reason) = done {
                tracing::warn!(labelset = set.name, reason, "a label set cannot be used");
            }
        }
    }

    /// From now on the server reports that it is not ready.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.metrics.ready.set(0);
    }

    /// Whether a stop has begun.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Whether all accepted requests are answered and their answers passed on.
    pub fn is_idle(&self) -> bool {
        Arc::strong_count(&self.open) == 1
    }

    /// The reason why the server is not ready; `None` if it is.
    pub fn not_ready_reason(&self) -> Option<String> {
        let stopping = self
            .stopping
            .load(Ordering::SeqCst)
            .then(|| "stopping".to_owned());
        let reason = stopping.or_else(|| self.models.not_ready_reason());
        self.metrics.ready.set(i64::from(reason.is_none()));
        reason
    }
}
