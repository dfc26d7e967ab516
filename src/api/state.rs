//! What every handler can reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::ApiError;
use super::admin::AdminAccess;
use super::admission::Admission;
use crate::engine::{Model, Registry, RegistryError};
use crate::telemetry::Metrics;

/// Shared by all requests.
#[derive(Debug)]
pub struct AppState {
    /// The models that are served.
    pub models: Arc<Registry>,
    /// The process's metrics.
    pub metrics: Arc<Metrics>,
    /// Most items in one request.
    pub max_items: usize,
    /// Longest time of a request.
    pub request_time: Duration,
    /// Rules of the admin routes; `None` if they are off.
    pub admin: Option<Arc<AdminAccess>>,
    pub(super) admission: Admission,
    stopping: AtomicBool,
}

impl AppState {
    /// State of a server that has loaded its models.
    pub fn new(
        models: Arc<Registry>,
        metrics: Arc<Metrics>,
        admission: Admission,
        admin: Option<AdminAccess>,
        max_items: usize,
        request_time: Duration,
    ) -> Self {
        Self {
            models,
            metrics,
            max_items,
            request_time,
            admin: admin.map(Arc::new),
            admission,
            stopping: AtomicBool::new(false),
        }
    }

    /// The model of that name; the default one if none is named. A request asks once and holds it until it is
    /// answered: the model may be replaced in the meantime, and ends only when nobody holds it any more.
    ///
    /// # Errors
    /// 404 `model_not_found`.
    pub fn model(&self, name: Option<&str>) -> Result<Arc<Model>, ApiError> {
        let Some(name) = name else {
            return Ok(self.models.default_model());
        };
        let unknown = || RegistryError::Unknown(name.to_owned());
        Ok(self.models.get(name).ok_or_else(unknown)?)
    }

    /// From now on the server says that it is not ready.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.metrics.ready.set(0);
    }

    /// Why the server is not ready; `None` when it is.
    pub fn trouble(&self) -> Option<String> {
        let stopping = self
            .stopping
            .load(Ordering::SeqCst)
            .then(|| "stopping".to_owned());
        let trouble = stopping.or_else(|| self.models.trouble());
        self.metrics.ready.set(i64::from(trouble.is_none()));
        trouble
    }
}
