//! Certificates for tests: each test has its own authority, which signs them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate for `localhost` and 127.0.0.1, and its key; both PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// What clients must trust, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    pub fn pair(&self) -> Pair {
        let (certificate, key) = self.sign();
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// For a server inside the test.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let (certificate, key) = self.sign();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into());
        Arc::new(config.unwrap())
    }
}

impl Pair {
    /// Writes both files, the certificate first.
    pub fn write(&self, folder: &Path) -> [PathBuf; 2] {
        let files = ["cert.pem", "key.pem"].map(|name| folder.join(name));
        std::fs::write(&files[0], &self.certificate).unwrap();
        std::fs::write(&files[1], &self.key).unwrap();
        files
    }
}
