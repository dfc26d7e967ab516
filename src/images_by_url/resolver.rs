//! Names → addresses that may be connected to.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Networks;

/// The system's resolver, with every address left out that [`Networks`] refuses. The connection is made to what it gives.
#[derive(Debug)]
pub struct Resolver(pub Arc<Networks>);

/// The name has no address that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("the name stands for no address that may be connected to")]
pub struct AddressRefused;

/// The name has no address.
#[derive(Debug, thiserror::Error)]
#[error("the name stands for nothing")]
pub struct NameUnknown;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let networks = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found: Vec<SocketAddr> = found.map_err(|_| NameUnknown)?.collect();
            let allow = |address: &SocketAddr| networks.allow(address.ip());
            let allowed: Vec<SocketAddr> = found.iter().copied().filter(allow).collect();
            match (allowed.is_empty(), found.is_empty()) {
                (false, _) => Ok(Box::new(allowed.into_iter()) as Addrs),
                (true, false) => Err(AddressRefused.into()),
                (true, true) => Err(NameUnknown.into()),
            }
        })
    }
}
