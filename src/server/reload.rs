//! SIGHUP: keys, certificate and label sets are read again at once. What cannot be read stays as it was, and is logged.

use std::sync::Arc;

use tokio::signal::unix::Signal;

use super::tls::Certificate;
use crate::api::{ApiKeys, AppState};

/// What is read again.
#[derive(Debug)]
pub struct Reload {
    /// Who may ask.
    pub keys: Arc<ApiKeys>,
    /// The certificate, if there is one.
    pub certificate: Option<Certificate>,
    /// The state that holds the label sets.
    pub state: Arc<AppState>,
}

impl Reload {
    /// Waits for the signal, and reads everything again each time. One after the other: signals that come meanwhile count as one.
    pub async fn follow(self, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            tracing::info!("SIGHUP: keys, certificate and label sets are read again");
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
                    "the label sets were read again"
                ),
                Err(error) => tracing::error!(%error, "the label sets stay as they were"),
            }
            self.state.embed_labelsets().await;
        }
    }
}
