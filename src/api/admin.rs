//! Access rules for loading, replacing and unloading models, and the folder of models. Off by default.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::http::header;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::ApiError;
use super::browsers::{host_of, is_this_machine};
use crate::bundle::ModelsRoot;
use crate::config::ServeSettings;
use crate::error_code::Code;

/// The rules of the admin routes.
pub struct AdminAccess {
    /// The folder of the models that may be loaded.
    pub root: ModelsRoot,
    /// Digest of the token, so that a comparison does not reveal its length.
    token: Option<[u8; 32]>,
}

/// The reason why the admin routes cannot be enabled.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The folder of models is missing.
    #[error("--admin needs --models-root: the folder that holds the models that may be loaded")]
    NoRoot,
    /// The folder cannot be used.
    #[error("--models-root {path}: {reason}")]
    Root {
        /// The folder as it was given.
        path: PathBuf,
        /// The system's error.
        reason: std::io::Error,
    },
    /// Anyone who can reach the address could change the models.
    #[error(
        "--admin on {0}, which other machines can reach, needs a token in CLIP_IN_ADMIN_TOKEN; set one, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// The token cannot be sent in a header.
    #[error("CLIP_IN_ADMIN_TOKEN must be one or more visible ASCII characters, without spaces")]
    Token,
}

impl AdminAccess {
    /// The rules from the settings; `None` if the admin routes are off.
    ///
    /// # Errors
    /// [`AdminError`] with the missing setting.
    pub fn from_settings(settings: &ServeSettings) -> Result<Option<Self>, AdminError> {
        if !settings.admin {
            return Ok(None);
        }
        let path = settings.models_root.as_ref().ok_or(AdminError::NoRoot)?;
        let root = ModelsRoot::open(path).map_err(|reason| AdminError::Root {
            path: path.clone(),
            reason,
        })?;
        let token = settings
            .admin_token
            .as_ref()
            .map(|token| token.reveal().as_bytes());
        match token {
            None if !settings.listen.ip().is_loopback() => Err(AdminError::Open(settings.listen)),
            Some(token) if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) => {
                Err(AdminError::Token)
            }
            token => Ok(Some(Self {
                root,
                token: token.map(digest),
            })),
        }
    }

    /// Checks whether a request may use the admin routes.
    ///
    /// # Errors
    /// 401 `unauthorized` without the correct token. 403 `host_not_allowed` if there is no token and the request names
    /// another host than this machine, because a web page can point its own name at 127.0.0.1.
    pub fn check(&self, request: &Parts) -> Result<(), ApiError> {
        match &self.token {
            Some(token) => {
                let sent = bearer(request).map(digest);
                let right = sent.is_some_and(|sent| bool::from(sent.ct_eq(token)));
                right.then_some(()).ok_or_else(unauthorized)
            }
            None => names_this_machine(request)
                .then_some(())
                .ok_or_else(wrong_host),
        }
    }
}

impl fmt::Debug for AdminAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminAccess")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn unauthorized() -> ApiError {
    let message = "this path needs the admin token: send `authorization: Bearer …`";
    ApiError::new(Code::Unauthorized, message)
}

fn wrong_host() -> ApiError {
    let message =
        "without a token this path answers only requests to localhost or a loopback address";
    ApiError::new(Code::HostNotAllowed, message)
}

fn bearer(request: &Parts) -> Option<&[u8]> {
    let value = request.headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

fn names_this_machine(request: &Parts) -> bool {
    host_of(&request.uri, &request.headers).is_some_and(|host| is_this_machine(&host))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn access(token: Option<&str>) -> AdminAccess {
        AdminAccess {
            root: ModelsRoot::open(std::path::Path::new(".")).unwrap(),
            token: token.map(|token| digest(token.as_bytes())),
        }
    }

    fn code(access: &AdminAccess, uri: &str, headers: &[(&str, &str)]) -> &'static str {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        access
            .check(&parts)
            .map_or_else(|error| error.code.name(), |()| "allowed")
    }

    #[test]
    fn a_configured_token_is_always_required() {
        let access = access(Some("a-long-token"));
        let sent = |value: &str| {
            code(
                &access,
                "/",
                &[("host", "localhost"), ("authorization", value)],
            )
        };
        assert_eq!(sent("Bearer a-long-token"), "allowed");
        assert_eq!(sent("bearer a-long-token"), "allowed");
        for wrong in [
            "Bearer a-long-toke",
            "Bearer a-long-tokenn",
            "Bearer ",
            "Bearer",
            "a-long-token",
            "Basic a-long-token",
            "",
        ] {
            assert_eq!(sent(wrong), "unauthorized", "{wrong}");
        }
        assert_eq!(code(&access, "/", &[("host", "localhost")]), "unauthorized");
        assert!(!format!("{access:?}").contains("token"));
    }

    #[test]
    fn without_a_token_only_names_of_this_machine_are_allowed() {
        let access = access(None);
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:8080",
            "127.1.2.3",
            "[::1]:8080",
            "LOCALHOST",
        ] {
            assert_eq!(code(&access, "/", &[("host", host)]), "allowed", "{host}");
        }
        for host in [
            "attacker.example:8080",
            "localhost.attacker.example",
            "10.0.0.1",
            "",
            "[::2]",
        ] {
            assert_eq!(
                code(&access, "/", &[("host", host)]),
                "host_not_allowed",
                "{host}"
            );
        }
        assert_eq!(code(&access, "/", &[]), "host_not_allowed");
        assert_eq!(code(&access, "http://127.0.0.1:1/", &[]), "allowed");
        assert_eq!(
            code(&access, "http://attacker.example/", &[]),
            "host_not_allowed"
        );
    }
}
