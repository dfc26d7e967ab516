//! What every handler can reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

use super::ApiError;
use super::admission::Admission;
use crate::engine::Model;
use crate::telemetry::Metrics;

/// Shared by all requests.
#[derive(Debug)]
pub struct AppState {
    /// The model that is served.
    pub model: Arc<Model>,
    /// The process's metrics.
    pub metrics: Arc<Metrics>,
    /// Most items in one request.
    pub max_items: usize,
    /// Longest time of a request.
    pub request_time: Duration,
    pub(super) admission: Admission,
    stopping: AtomicBool,
}

impl AppState {
    /// State of a server that has loaded its model.
    pub fn new(
        model: Arc<Model>,
        metrics: Arc<Metrics>,
        admission: Admission,
        max_items: usize,
        request_time: Duration,
    ) -> Self {
        Self {
            model,
            metrics,
            max_items,
            request_time,
            admission,
            stopping: AtomicBool::new(false),
        }
    }

    /// The model of that name; the default one if none is named.
    ///
    /// # Errors
    /// 404 `model_not_found`.
    pub fn model(&self, name: Option<&str>) -> Result<&Arc<Model>, ApiError> {
        match name {
            Some(name) if name != self.model.name() => {
                let message =
                    format!("there is no model {name:?} here; GET /v1/models lists what is served");
                Err(ApiError::new(StatusCode::NOT_FOUND, "model_not_found", message).at("model"))
            }
            _ => Ok(&self.model),
        }
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
        let trouble = stopping.or_else(|| self.model.health().trouble());
        self.metrics.ready.set(i64::from(trouble.is_none()));
        trouble
    }
}
