//! Who calls, and what they may do.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::role::Role;
use crate::api::ApiError;
use crate::engine::{Lane, Tenant};
use crate::error_code::Code;

/// A caller who showed a key; the place among the key's requests is free again when this is dropped.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key's name, for logs.
    pub name: Arc<str>,
    /// The lane of requests without one.
    pub lane: Option<Lane>,
    /// The tenant of requests with this key.
    pub tenant: Tenant,
    /// What it may do with lines.
    pub roles: Arc<[Role]>,
    pub(super) _place: Option<Arc<OwnedSemaphorePermit>>,
}

impl Caller {
    /// Checks that the key has one of these roles.
    ///
    /// # Errors
    /// 403 `role_missing`.
    pub fn check_roles(&self, wanted: &[Role]) -> Result<(), ApiError> {
        if wanted.is_empty() || wanted.iter().any(|role| self.roles.contains(role)) {
            return Ok(());
        }
        let names: Vec<_> = wanted.iter().map(|role| role.name()).collect();
        let message = format!(
            "the API key {:?} lacks the role {}: add it to the key's roles in the file of keys",
            self.name,
            names.join(" or ")
        );
        Err(ApiError::new(Code::RoleMissing, message))
    }
}

/// The right to label parts for a calibration. Only a caller with the role has it, so that nothing else in the program can
/// declare that labels are fit for one.
#[derive(Debug)]
pub struct MayCalibrate {
    who: String,
}

impl MayCalibrate {
    /// The right of a caller; of everyone on a server without keys.
    ///
    /// # Errors
    /// 403 `role_missing`.
    pub fn of(caller: Option<&Caller>) -> Result<Self, ApiError> {
        let who = match caller {
            None => String::new(),
            Some(caller) => {
                caller.check_roles(&[Role::Calibrate])?;
                caller.name.to_string()
            }
        };
        Ok(Self { who })
    }

    /// The name of the key; "" without keys.
    pub fn who(&self) -> &str {
        &self.who
    }
}
