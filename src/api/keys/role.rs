//! What a key may do with inspection lines.

use super::Caller;
use crate::api::ApiError;
use crate::error_code::Code;

/// A right of a key. A key has those that its entry lists; on a server without keys everyone has all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Have parts inspected.
    Inspect,
    /// Say what inspected parts are.
    Review,
    /// Label parts and calibrate.
    Calibrate,
    /// Create, change and delete lines and images.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: &'static [Self] = &[Self::Inspect, Self::Review, Self::Calibrate, Self::Admin];

    /// As it is written in the file of keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inspect => "inspect",
            Self::Review => "review",
            Self::Calibrate => "calibrate",
            Self::Admin => "admin",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }
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
