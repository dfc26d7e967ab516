//! Each route of a model is there twice: with and without the model's version in its path.

use std::sync::Arc;

use serde::Deserialize;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::{Object, Required, Type};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::api::contract::inference_protocol::check_version;
use crate::api::{ApiError, AppState};
use crate::engine::Model;

/// The model that a path names.
#[derive(Deserialize)]
pub struct ModelPath {
    name: String,
    #[serde(default)]
    version: String,
}

impl ModelPath {
    /// The model's name.
    ///
    /// # Errors
    /// 404 `model_not_found` for a version that no model has.
    pub fn name(self) -> Result<String, ApiError> {
        check_version(&self.version)?;
        Ok(self.name)
    }

    /// The model.
    ///
    /// # Errors
    /// 404 `model_not_found` if there is none of that name and version.
    pub fn model(self, state: &AppState) -> Result<Arc<Model>, ApiError> {
        state.model(Some(&self.name()?))
    }
}

type Routes = UtoipaMethodRouter<Arc<AppState>>;

/// The routes, and the same with `/versions/{version}` behind the model's name. The description says so, too.
pub fn with_versions((schemas, mut paths, methods): Routes) -> Routes {
    let version = ParameterBuilder::new()
        .name("version")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("1, the only version"))
        .schema(Some(Object::with_type(Type::String)))
        .build();
    for (path, mut item) in paths.paths.clone() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            if let Some(id) = &mut operation.operation_id {
                let rest = id.trim_start_matches("v2_").trim_start_matches("model_");
                *id = match rest {
                    "model" => "v2_version".to_owned(),
                    rest => format!("v2_version_{rest}"),
                };
            }
            if let Some(summary) = &mut operation.summary {
                *summary = summary.replacen('.', ", by version.", 1);
            }
            let parameters = operation.parameters.get_or_insert_default();
            parameters.insert(1, version.clone().into());
        }
        let path = path.replacen("{name}", "{name}/versions/{version}", 1);
        paths.paths.insert(path, item);
    }
    (schemas, paths, methods)
}
