//! The server's certificate, read again when it is renewed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::file_watch::FileWatch;

/// The reason why a certificate cannot be used. It never shows the content of a file, because one of them is the private
/// key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: std::io::Error,
    },
    /// A file has other content, or the certificate and the key do not match.
    #[error("{path}: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The problem.
        reason: String,
    },
}

/// A certificate chain and its private key, in two PEM files.
#[derive(Debug)]
pub struct Tls {
    certificate: Certificate,
    watch: FileWatch,
}

/// The certificate for new connections, and its files. Clones share the certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    files: Files,
    config: RustlsConfig,
}

#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Tls {
    /// Reads the files: the server's certificate followed by the intermediate ones, and the key.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let watch = FileWatch::new(vec![certificate.clone(), key.clone()]);
        let files = Files { certificate, key };
        let config = RustlsConfig::from_config(files.read()?);
        let certificate = Certificate { files, config };
        Ok(Self { certificate, watch })
    }

    /// The TLS configuration for new connections. It changes with the files, while they are watched.
    pub fn config(&self) -> RustlsConfig {
        self.certificate.config.clone()
    }

    /// A handle to read the certificate again at other times than file changes.
    pub fn certificate(&self) -> Certificate {
        self.certificate.clone()
    }

    /// Watches the files from now on, and reads them again when they change.
    pub async fn follow(mut self) {
        loop {
            self.watch.changed().await;
            self.certificate.read_again().await;
        }
    }
}

impl Certificate {
    /// Reads the files again. If the pair is invalid, for example because the key is replaced after the certificate, nothing
    /// changes and an error is logged. Open connections continue unchanged.
    pub async fn read_again(&self) {
        let files = self.files.clone();
        let file = files.certificate.display().to_string();
        match tokio::task::spawn_blocking(move || files.read()).await {
            Ok(Ok(config)) => {
                self.config.reload_from_config(config);
                tracing::info!(file, "certificate reloaded");
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "certificate not reloaded: the previous one stays in use")
            }
            Err(error) => {
                tracing::error!(%error, "certificate not reloaded: the previous one stays in use")
            }
        }
    }
}

impl Files {
    fn read(&self) -> Result<Arc<ServerConfig>, TlsError> {
        // The parser's own messages would contain lines of the files.
        let none = |path: &Path, reason: &str| TlsError::Invalid {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let chain = CertificateDer::pem_slice_iter(&read(&self.certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .filter(|chain| !chain.is_empty())
            .ok_or_else(|| none(&self.certificate, "it contains no PEM certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?).map_err(|_| {
            let reason = "it contains no PEM private key, or one with a passphrase";
            none(&self.key, reason)
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // TLS 1.2 and 1.3
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map(|config| config.with_no_client_auth())
            .and_then(|config| config.with_single_cert(chain, key));
        let mut config = config.map_err(|error| {
            let reason = format!("it cannot be used with {}: {error}", self.key.display());
            none(&self.certificate, &reason)
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|reason| TlsError::Unreadable {
        path: path.to_owned(),
        reason,
    })
}
