//! Loads a model into the running server: label sets and references are computed by it before requests can reach it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tokio::runtime::Handle;
use utoipa::ToSchema;

use crate::api::AppState;
use crate::engine::{EmbedOptions, Lane, Loaded, Model, RegistryError};

/// What a new model computed before it took over.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ComputedBeforeUse {
    /// Number of label sets.
    pub labelsets: usize,
    /// Number of references.
    pub references: usize,
    /// Those that the model cannot use: a request that names one gets the reason as its error.
    pub unusable: Vec<Unusable>,
}

/// A label set or a reference that a model cannot use.
#[derive(Debug, Serialize, ToSchema)]
pub struct Unusable {
    /// `labelset` or `reference`.
    #[schema(example = "labelset")]
    pub object: &'static str,
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub reason: String,
}

/// Loads a bundle; see [`crate::engine::Registry::load`]. Blocks, and must be called on a thread of the runtime that may.
///
/// # Errors
/// Those of the registry.
pub fn load_model(
    state: &Arc<AppState>,
    folder: &Path,
) -> Result<(Loaded, ComputedBeforeUse), RegistryError> {
    let mut computed = ComputedBeforeUse::default();
    let before_use = |model: &Arc<Model>| {
        computed = Handle::current().block_on(compute_all(state, model));
    };
    let loaded = state.models.load(folder, before_use)?;
    Ok((loaded, computed))
}

/// Computes everything that requests to this model will use.
async fn compute_all(state: &AppState, model: &Arc<Model>) -> ComputedBeforeUse {
    let mut done = ComputedBeforeUse::default();
    for set in state.labelsets.all() {
        if state.is_stopping() {
            return done;
        }
        if is_for(state, set.definition.model.as_deref(), model) {
            match state.labelsets.embedded_by(&set, model).await {
                Ok(_) => done.labelsets += 1,
                Err(error) => done.leave("labelset", &set.name, error.to_string()),
            }
        }
    }
    let of_lines = references_of_lines(state, model).await;
    for reference in state.references.all() {
        if state.is_stopping() {
            return done;
        }
        let is_for = is_for(state, reference.definition.model.as_deref(), model);
        if is_for || of_lines.contains(&reference.name) {
            let options = EmbedOptions {
                lane: Lane::Bulk,
                ..EmbedOptions::default()
            };
            match state.references.learnt_by(&reference, model, options).await {
                Ok(_) => done.references += 1,
                Err(error) => done.leave("reference", &reference.name, error.to_string()),
            }
        }
    }
    done
}

impl ComputedBeforeUse {
    fn leave(&mut self, object: &'static str, name: &str, reason: String) {
        tracing::warn!(object, name, reason, "the new model cannot use this");
        self.unusable.push(Unusable {
            object,
            name: name.to_owned(),
            reason,
        });
    }
}

/// Whether requests with this model's name, or without any, go to the model.
fn is_for(state: &AppState, named: Option<&str>, model: &Model) -> bool {
    match named {
        None | Some("") => state.models.default_model().name() == model.name(),
        Some(name) => state.models.own_name(name) == model.name(),
    }
}

/// The references of lines that compare with this model, whichever model the references are for.
async fn references_of_lines(state: &AppState, model: &Model) -> HashSet<String> {
    let lines = state.lines.all().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "references of lines are learnt at their first use");
        Vec::new()
    });
    let lines = lines.iter().map(|line| &line.definition);
    let names = lines
        .filter(|line| line.model.is_some() && is_for(state, line.model.as_deref(), model))
        .flat_map(|line| line.references().iter().cloned());
    names.collect()
}
