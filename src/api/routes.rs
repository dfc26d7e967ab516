//! The table of routes: for each REST route and gRPC method, who may call it, what it is counted as, and how long it may
//! take. REST, gRPC and the Open Inference Protocol read the same table.

use std::time::Duration;

use axum::http::Method;

use super::Role;

/// Longest time of a request to an admin route: a large model is read, checked and warmed for minutes.
const ADMIN_TIME: Duration = Duration::from_secs(3600);

/// Who may call a route of a server that has API keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone: what monitoring and the pages need.
    Open,
    /// Callers who show an API key.
    Key,
    /// Callers whom the admin rules admit; see [`super::AdminAccess`].
    Admin,
}

/// What a request is counted as while it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nothing: an overloaded server must still answer monitoring. Its body is small.
    Uncounted,
    /// One of `max_requests`, for `request_seconds` at most.
    Request,
    /// One of `max_requests` and one of the streams, which are half of them at most. It lasts as long as its client sends
    /// something within `request_seconds`.
    Stream,
    /// One of the few control streams ([`super::admission::CONTROL_STREAMS`]), which take nothing from requests: health
    /// watches and reflection.
    Control,
}

/// One way in.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// HTTP method; `POST` for gRPC.
    pub method: Method,
    /// REST: the pattern that axum matches. gRPC: the path.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What it is counted as.
    pub place: Place,
    /// A key needs one of these; none: no role is needed.
    pub roles: &'static [Role],
}

impl Route {
    /// Whether its answer goes on after its head.
    pub fn is_stream(&self) -> bool {
        matches!(self.place, Place::Stream | Place::Control)
    }

    /// How long its answer's head may take, where `usual` is the time of most requests.
    pub fn time(&self, usual: Duration) -> Duration {
        match self.access {
            Access::Admin => ADMIN_TIME,
            Access::Open | Access::Key => usual,
        }
    }

    /// Whether requests get a span: those of probes, monitoring, pages and scanners would bury the others.
    pub fn has_span(&self) -> bool {
        self.access != Access::Open && self.place != Place::Control
    }

    /// Whether a path is one of the pattern's. The router decides about that; this is for what comes before it.
    fn fits(&self, path: &str) -> bool {
        let (wanted, found) = (self.path.split('/'), path.split('/'));
        wanted.clone().count() == found.clone().count()
            && wanted
                .zip(found)
                .all(|(wanted, found)| wanted == found || wanted.starts_with('{'))
    }
}

const fn route(method: Method, path: &'static str, access: Access, place: Place) -> Route {
    Route {
        method,
        path,
        access,
        place,
        roles: &[],
    }
}

/// A route of inspection lines: its key needs one of the roles.
const fn of_lines(
    method: Method,
    path: &'static str,
    place: Place,
    roles: &'static [Role],
) -> Route {
    Route {
        method,
        path,
        access: Access::Key,
        place,
        roles,
    }
}

/// REST, the Open Inference Protocol over REST, monitoring and the pages.
#[rustfmt::skip]
pub const REST: &[Route] = &[
    route(Method::POST, "/v1/embeddings", Access::Key, Place::Request),
    route(Method::POST, "/v1/similarity", Access::Key, Place::Request),
    route(Method::POST, "/v1/classify", Access::Key, Place::Request),
    route(Method::POST, "/v1/explain", Access::Key, Place::Request),
    route(Method::POST, "/v1/rerank", Access::Key, Place::Request),
    route(Method::POST, "/v2/rerank", Access::Key, Place::Request),
    route(Method::POST, "/v2/embed", Access::Key, Place::Request),
    route(Method::GET, "/v1/labelsets", Access::Key, Place::Uncounted),
    route(Method::GET, "/v1/labelsets/{name}", Access::Key, Place::Uncounted),
    route(Method::PUT, "/v1/labelsets/{name}", Access::Key, Place::Request),
    route(Method::DELETE, "/v1/labelsets/{name}", Access::Key, Place::Request),
    route(Method::POST, "/v1/compare", Access::Key, Place::Request),
    route(Method::GET, "/v1/references", Access::Key, Place::Uncounted),
    route(Method::GET, "/v1/references/{name}", Access::Key, Place::Uncounted),
    route(Method::PUT, "/v1/references/{name}", Access::Key, Place::Request),
    route(Method::DELETE, "/v1/references/{name}", Access::Key, Place::Request),
    route(Method::POST, "/v1/references/{name}/images", Access::Key, Place::Request),
    of_lines(Method::GET, "/v1/lines", Place::Uncounted, Role::ALL),
    of_lines(Method::GET, "/v1/lines/{line}", Place::Uncounted, Role::ALL),
    of_lines(Method::PUT, "/v1/lines/{line}", Place::Request, &[Role::Admin]),
    of_lines(Method::DELETE, "/v1/lines/{line}", Place::Request, &[Role::Admin]),
    of_lines(Method::POST, "/v1/lines/{line}/inspections", Place::Request, &[Role::Inspect]),
    of_lines(Method::GET, "/v1/lines/{line}/inspections", Place::Request, Role::ALL),
    of_lines(Method::POST, "/v1/lines/{line}/calibrations", Place::Request, &[Role::Calibrate]),
    of_lines(Method::GET, "/v1/lines/{line}/calibrations", Place::Request, Role::ALL),
    of_lines(Method::POST, "/v1/lines/{line}/reviews", Place::Request, &[Role::Review]),
    of_lines(Method::DELETE, "/v1/lines/{line}/reviews", Place::Request, &[Role::Review]),
    of_lines(Method::POST, "/v1/lines/{line}/planted", Place::Request, &[Role::Calibrate, Role::Admin]),
    of_lines(Method::GET, "/v1/lines/{line}/planted", Place::Request, &[Role::Calibrate, Role::Admin]),
    of_lines(Method::DELETE, "/v1/lines/{line}/planted/{id}", Place::Request, &[Role::Calibrate, Role::Admin]),
    of_lines(Method::GET, "/v1/lines/{line}/dashboard", Place::Request, Role::ALL),
    of_lines(Method::GET, "/v1/lines/{line}/corrections", Place::Request, &[Role::Calibrate, Role::Admin]),
    of_lines(Method::POST, "/v1/lines/{line}/rescore", Place::Request, &[Role::Calibrate]),
    of_lines(Method::POST, "/v1/lines/{line}/references", Place::Request, &[Role::Calibrate, Role::Admin]),
    of_lines(Method::POST, "/v1/lines/{line}/promotion", Place::Request, &[Role::Admin]),
    of_lines(Method::POST, "/v1/lines/{line}/rollback", Place::Request, &[Role::Admin]),
    of_lines(Method::GET, "/v1/lines/{line}/history", Place::Request, Role::ALL),
    of_lines(Method::DELETE, "/v1/lines/{line}/drift", Place::Request, &[Role::Calibrate, Role::Admin]),
    of_lines(Method::GET, "/v1/inspections/{id}", Place::Uncounted, Role::ALL),
    of_lines(Method::GET, "/v1/inspections/{id}/image", Place::Request, Role::ALL),
    of_lines(Method::GET, "/v1/inspections/{id}/map", Place::Request, Role::ALL),
    of_lines(Method::GET, "/v1/inspections/{id}/reference", Place::Request, Role::ALL),
    of_lines(Method::DELETE, "/v1/inspections/{id}/image", Place::Request, &[Role::Admin]),
    of_lines(Method::POST, "/v1/inspections/{id}/verdict", Place::Request, &[Role::Review]),
    of_lines(Method::DELETE, "/v1/inspections/{id}/verdict", Place::Request, &[Role::Review]),
    route(Method::GET, "/v1/models", Access::Key, Place::Uncounted),
    route(Method::GET, "/v1/models/{name}", Access::Key, Place::Uncounted),
    route(Method::GET, "/v2", Access::Open, Place::Uncounted),
    route(Method::GET, "/v2/health/live", Access::Open, Place::Uncounted),
    route(Method::GET, "/v2/health/ready", Access::Open, Place::Uncounted),
    route(Method::GET, "/v2/models/{name}", Access::Key, Place::Uncounted),
    route(Method::GET, "/v2/models/{name}/ready", Access::Key, Place::Uncounted),
    route(Method::POST, "/v2/models/{name}/infer", Access::Key, Place::Request),
    route(Method::GET, "/v2/models/{name}/versions/{version}", Access::Key, Place::Uncounted),
    route(Method::GET, "/v2/models/{name}/versions/{version}/ready", Access::Key, Place::Uncounted),
    route(Method::POST, "/v2/models/{name}/versions/{version}/infer", Access::Key, Place::Request),
    route(Method::GET, "/v2/models/{name}/config", Access::Key, Place::Uncounted),
    route(Method::GET, "/v2/models/{name}/versions/{version}/config", Access::Key, Place::Uncounted),
    route(Method::GET, "/v2/models/stats", Access::Key, Place::Uncounted),
    route(Method::GET, "/v2/models/{name}/stats", Access::Key, Place::Uncounted),
    route(Method::GET, "/v2/models/{name}/versions/{version}/stats", Access::Key, Place::Uncounted),
    route(Method::POST, "/v2/repository/index", Access::Key, Place::Request),
    route(Method::POST, "/v1/admin/models", Access::Admin, Place::Uncounted),
    route(Method::DELETE, "/v1/admin/models/{name}", Access::Admin, Place::Uncounted),
    route(Method::POST, "/v1/admin/lines/{line}/shadow", Access::Admin, Place::Uncounted),
    route(Method::GET, "/v1/admin/lines/{line}/shadow", Access::Admin, Place::Uncounted),
    route(Method::DELETE, "/v1/admin/lines/{line}/shadow", Access::Admin, Place::Uncounted),
    route(Method::GET, "/v1/admin/deliveries", Access::Admin, Place::Uncounted),
    route(Method::GET, "/v1/admin/deliveries/{sink}/dead", Access::Admin, Place::Uncounted),
    route(Method::POST, "/v1/admin/deliveries/{sink}/retry", Access::Admin, Place::Uncounted),
    route(Method::GET, "/healthz", Access::Open, Place::Uncounted),
    route(Method::GET, "/readyz", Access::Open, Place::Uncounted),
    route(Method::GET, "/metrics", Access::Open, Place::Uncounted),
    route(Method::GET, "/openapi.json", Access::Open, Place::Uncounted),
    route(Method::GET, "/docs", Access::Open, Place::Uncounted),
    route(Method::GET, "/docs/", Access::Open, Place::Uncounted),
    route(Method::GET, "/docs/{*name}", Access::Open, Place::Uncounted),
    route(Method::GET, "/", Access::Open, Place::Uncounted),
    route(Method::GET, "/page.css", Access::Open, Place::Uncounted),
    route(Method::GET, "/page.js", Access::Open, Place::Uncounted),
    route(Method::GET, "/compare.js", Access::Open, Place::Uncounted),
    route(Method::GET, "/comparison.js", Access::Open, Place::Uncounted),
    route(Method::GET, "/describe.js", Access::Open, Place::Uncounted),
    route(Method::GET, "/dom.js", Access::Open, Place::Uncounted),
    route(Method::GET, "/maps.js", Access::Open, Place::Uncounted),
    route(Method::GET, "/samples.js", Access::Open, Place::Uncounted),
    route(Method::GET, "/server.js", Access::Open, Place::Uncounted),
    route(Method::GET, "/review", Access::Open, Place::Uncounted),
    route(Method::GET, "/review/{file}", Access::Open, Place::Uncounted),
    route(Method::GET, "/viewer.js", Access::Open, Place::Uncounted),
    route(Method::GET, "/zoom.js", Access::Open, Place::Uncounted),
    route(Method::GET, "/samples", Access::Open, Place::Uncounted),
    route(Method::GET, "/samples/{name}", Access::Open, Place::Uncounted),
];

/// gRPC.
#[rustfmt::skip]
pub const GRPC: &[Route] = &[
    route(Method::POST, "/clip_in.v1.ClipIn/Embed", Access::Key, Place::Request),
    route(Method::POST, "/clip_in.v1.ClipIn/EmbedStream", Access::Key, Place::Stream),
    route(Method::POST, "/clip_in.v1.ClipIn/Similarity", Access::Key, Place::Request),
    route(Method::POST, "/clip_in.v1.ClipIn/Classify", Access::Key, Place::Request),
    route(Method::POST, "/clip_in.v1.ClipIn/Explain", Access::Key, Place::Request),
    route(Method::POST, "/clip_in.v1.ClipIn/Compare", Access::Key, Place::Request),
    route(Method::POST, "/clip_in.v1.ClipIn/Rerank", Access::Key, Place::Request),
    of_lines(Method::POST, "/clip_in.v1.ClipIn/Inspect", Place::Request, &[Role::Inspect]),
    of_lines(Method::POST, "/clip_in.v1.ClipIn/InspectStream", Place::Stream, &[Role::Inspect]),
    route(Method::POST, "/inference.GRPCInferenceService/ModelInfer", Access::Key, Place::Request),
    route(Method::POST, "/inference.GRPCInferenceService/ModelMetadata", Access::Key, Place::Uncounted),
    route(Method::POST, "/inference.GRPCInferenceService/ModelReady", Access::Key, Place::Uncounted),
    route(Method::POST, "/inference.GRPCInferenceService/ModelConfig", Access::Key, Place::Uncounted),
    route(Method::POST, "/inference.GRPCInferenceService/ModelStatistics", Access::Key, Place::Uncounted),
    route(Method::POST, "/inference.GRPCInferenceService/RepositoryIndex", Access::Key, Place::Uncounted),
    route(Method::POST, "/inference.GRPCInferenceService/ServerLive", Access::Open, Place::Uncounted),
    route(Method::POST, "/inference.GRPCInferenceService/ServerReady", Access::Open, Place::Uncounted),
    route(Method::POST, "/inference.GRPCInferenceService/ServerMetadata", Access::Open, Place::Uncounted),
    route(Method::POST, "/grpc.health.v1.Health/Check", Access::Open, Place::Uncounted),
    route(Method::POST, "/grpc.health.v1.Health/Watch", Access::Open, Place::Control),
    route(Method::POST, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Access::Key, Place::Control),
    route(Method::POST, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Access::Key, Place::Control),
];

/// Unknown paths: no key, no place, and one label for all of them, so that a scanner cannot make new series of a metric.
pub const OTHER: &Route = &route(Method::GET, "other", Access::Open, Place::Uncounted);

/// The rule of a REST request, by the pattern that was matched. A method that the path does not have is answered with 405
/// to whoever may call the path.
pub fn of_rest(method: &Method, pattern: Option<&str>) -> Route {
    let Some(pattern) = pattern else {
        return OTHER.clone();
    };
    let mut routes = REST.iter().filter(|route| route.path == pattern);
    let first = routes.clone().next();
    let wanted = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    match (routes.find(|route| route.method == *wanted), first) {
        (Some(route), _) => route.clone(),
        (None, Some(other_method)) => Route {
            place: Place::Uncounted,
            ..other_method.clone()
        },
        // A route that the table lacks is a mistake of ours. It needs a key, so that the mistake opens nothing.
        (None, None) => Route {
            access: Access::Key,
            place: Place::Request,
            ..OTHER.clone()
        },
    }
}

/// The rule of a request by its path alone: no router has seen it yet, and nothing is refused or allowed by it.
pub fn of_path(path: &str) -> &'static Route {
    let mut all = GRPC.iter().chain(REST);
    all.find(|route| route.fits(path)).unwrap_or(OTHER)
}

/// The rule of a gRPC request, by its path.
pub fn of_grpc(path: &str) -> &'static Route {
    GRPC.iter()
        .find(|route| route.path == path)
        .unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::api::grpc;

    #[test]
    fn every_grpc_method_is_in_the_table() {
        let sets = [
            grpc::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let mut found = 0;
        for set in sets {
            let set = FileDescriptorSet::decode(set).unwrap();
            for file in &set.file {
                for service in &file.service {
                    for method in &service.method {
                        let (package, service) = (file.package(), service.name());
                        let path = format!("/{package}.{service}/{}", method.name());
                        assert!(!std::ptr::eq(of_grpc(&path), OTHER), "{path}");
                        found += 1;
                    }
                }
            }
        }
        assert!(found >= 15, "{found}");
    }

    #[test]
    fn work_is_counted_and_changes_need_a_key() {
        for route in REST {
            let changes = route.method != Method::GET;
            if changes {
                assert_ne!(route.access, Access::Open, "{}", route.path);
            }
            if changes && route.access == Access::Key {
                assert_eq!(route.place, Place::Request, "{}", route.path);
            }
        }
        let open = |route: &&Route| route.access == Access::Open;
        for route in GRPC.iter().filter(open) {
            assert!(!matches!(route.place, Place::Request | Place::Stream));
        }
        // REST alone asks for the admin token.
        assert!(GRPC.iter().all(|route| route.access != Access::Admin));
    }

    #[test]
    fn each_role_has_a_route_that_only_it_opens() {
        for role in Role::ALL {
            let only = [*role];
            assert!(REST.iter().any(|route| route.roles == only), "{role:?}");
        }
        let of_lines = |route: &&Route| {
            route.path.starts_with("/v1/lines") || route.path.starts_with("/v1/inspections")
        };
        let with_roles = REST.iter().filter(|route| !route.roles.is_empty());
        assert!(with_roles.eq(REST.iter().filter(of_lines)));
    }

    #[test]
    fn a_route_that_the_table_lacks_needs_a_key() {
        let forgotten = of_rest(&Method::POST, Some("/v1/new"));
        assert_eq!(forgotten.access, Access::Key);
        let wrong_method = of_rest(&Method::PATCH, Some("/v1/embeddings"));
        assert_eq!(wrong_method.access, Access::Key);
        assert_eq!(wrong_method.place, Place::Uncounted);
        assert_eq!(
            of_rest(&Method::HEAD, Some("/healthz")).access,
            Access::Open
        );
        assert_eq!(of_rest(&Method::GET, None).path, "other");
    }

    #[test]
    fn what_is_worth_a_span() {
        for path in [
            "/v1/embeddings",
            "/v1/models/a%20name",
            "/v2/models/clip/versions/1/infer",
            "/v1/admin/models",
            "/clip_in.v1.ClipIn/EmbedStream",
            "/inference.GRPCInferenceService/ModelReady",
        ] {
            assert!(of_path(path).has_span(), "{path}");
        }
        for path in [
            "/",
            "/docs/get-started/index.html",
            "/v2/health/ready",
            "/v1/wp-login.php",
            "/v1/models/a/b",
            "/inference.GRPCInferenceService/ServerLive",
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ] {
            assert!(!of_path(path).has_span(), "{path}");
        }
    }
}
