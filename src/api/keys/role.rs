//! What a key may do with inspection lines.

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
