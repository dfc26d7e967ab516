//! The standard health service (`grpc.health.v1`): serving when `/readyz` says ready.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::api::AppState;

/// Interval at which watchers learn of a change.
const INTERVAL: Duration = Duration::from_millis(250);

/// The names of the services; the empty name is the whole server.
const SERVICES: [&str; 4] = [
    "",
    "clip_in.v1.ClipIn",
    "inference.GRPCInferenceService",
    "grpc.health.v1.Health",
];

/// Answers from the server's state.
pub struct HealthService {
    state: Arc<AppState>,
}

impl HealthService {
    /// The state of this server.
    pub fn new(state: Arc<AppState>) -> Self {
        Self { state }
    }
}

fn status(state: &AppState) -> ServingStatus {
    match state.not_ready_reason() {
        None => ServingStatus::Serving,
        Some(_) => ServingStatus::NotServing,
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !SERVICES.contains(&request.get_ref().service.as_str()) {
            return Err(Status::not_found("unknown service"));
        }
        Ok(Response::new(answer(status(&self.state))))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = SERVICES.contains(&request.get_ref().service.as_str());
        let state = self.state.clone();
        // A stopping server reports its state and does not wait for watchers.
        let changes = stream::unfold(None, move |told| {
            let state = state.clone();
            async move {
                loop {
                    let now = if known {
                        status(&state)
                    } else {
                        ServingStatus::ServiceUnknown
                    };
                    if told != Some(now) {
                        return Some((now, Some(now)));
                    }
                    if state.is_stopping() {
                        return None;
                    }
                    tokio::time::sleep(INTERVAL).await;
                }
            }
        });
        Ok(Response::new(Box::pin(changes.map(|now| Ok(answer(now))))))
    }
}
