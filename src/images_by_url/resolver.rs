//! Resolves names to addresses that are allowed.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Networks;

/// The system's resolver without the addresses that [`Networks`] refuses. Connections use its results.
#[derive(Debug)]
pub struct Resolver(pub Arc<Networks>);

/// The name has no allowed address.
#[derive(Debug, thiserror::Error)]
#[error("the name has no allowed address")]
pub struct AddressRefused;

/// The name has no address.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address")]
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
