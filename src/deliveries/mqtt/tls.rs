//! TLS to a broker: whom it trusts, and who it is.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Files in PEM, with their content. It is not shown: one of them is a private key.
pub struct TlsFiles {
    /// Certificates of authorities; without them, those of the system are trusted.
    pub authorities: Option<(PathBuf, Vec<u8>)>,
    /// The client's certificate, and its key.
    pub client: Option<[(PathBuf, Vec<u8>); 2]>,
}

impl TlsFiles {
    /// The configuration of TLS.
    ///
    /// # Errors
    /// A sentence that names the file, and shows nothing of it.
    pub fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let mut roots = RootCertStore::empty();
        match &self.authorities {
            Some((path, pem)) => {
                for certificate in certificates(path, pem)? {
                    roots
                        .add(certificate)
                        .map_err(|error| format!("{}: {error}", path.display()))?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
        }
        if roots.is_empty() {
            let reason =
                "the system has no certificates: install ca-certificates, or give `ca_file`";
            return Err(reason.to_owned());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let Some([(path, chain), (key_path, key)]) = &self.client else {
            return Ok(Arc::new(builder.with_no_client_auth()));
        };
        let chain = certificates(path, chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            let file = key_path.display();
            format!("{file}: it contains no PEM private key, or one with a passphrase")
        })?;
        let config = builder.with_client_auth_cert(chain, key);
        let config = config.map_err(|error| {
            let (file, key) = (path.display(), key_path.display());
            format!("{file}: it cannot be used with {key}: {error}")
        })?;
        Ok(Arc::new(config))
    }
}

fn certificates(
    path: &std::path::Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| format!("{}: it contains no PEM certificate", path.display()))
}
