//! SIGHUP: reads keys, certificate, label sets and references again at once. If reading fails, the previous content stays in use and an
//! error is logged.

use std::sync::Arc;

use tokio::signal::unix::Signal;

use super::tls::Certificate;
use crate::api::{ApiKeys, AppState};

/// The things to read again.
#[derive(Debug)]
pub struct Reload {
    /// The API keys.
    pub keys: Arc<ApiKeys>,
    /// The certificate, if there is one.
    pub certificate: Option<Certificate>,
    /// The state with the label sets.
    pub state: Arc<AppState>,
}

impl Reload {
    /// Waits for the signal and reads everything again each time. Signals that arrive during a reload count as one.
    pub async fn follow(self, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            tracing::info!("SIGHUP: reading keys, certificate, label sets and references again");
            self.keys.read_again().await;
            if let Some(certificate) = &self.certificate {
                certificate.read_again().await;
            }
            match self.state.labelsets.read_again().await {
                Ok(found) => tracing::info!(
                    new = found.new,
                    changed = found.changed,
                    removed = found.removed,
                    all = found.all,
                    "label sets reloaded"
                ),
                Err(error) => {
                    tracing::error!(%error, "label sets not reloaded: the previous ones stay in use")
                }
            }
            match self.state.references.read_again().await {
                Ok(found) => tracing::info!(
                    new = found.new,
                    changed = found.changed,
                    removed = found.removed,
                    all = found.all,
                    "references reloaded"
                ),
                Err(error) => {
                    tracing::error!(%error, "references not reloaded: the previous ones stay in use")
                }
            }
            self.state.embed_labelsets().await;
        }
    }
}
