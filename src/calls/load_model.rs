//! Loads a model into the running server: label sets and references are computed by it before requests can reach it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use tokio::runtime::Handle;
use utoipa::ToSchema;

use crate::api::AppState;
use crate::engine::{EmbedOptions, Lane, Loaded, Model, RegistryError};
use crate::labelsets::LabelSet;
use crate::references::Reference;

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
            let computed = embed(state, &set, model).await;
            done.note("labelset", &set.name, computed);
        }
    }
    let of_lines = references_of_lines(state, model).await;
    for reference in state.references.all() {
        if state.is_stopping() {
            return done;
        }
        let is_for = is_for(state, reference.definition.model.as_deref(), model);
        if is_for || of_lines.contains(&reference.name) {
            let computed = learn(state, &reference, model).await;
            done.note("reference", &reference.name, computed);
        }
    }
    done
}

impl ComputedBeforeUse {
    fn note(&mut self, object: &'static str, name: &str, computed: Result<(), String>) {
        match computed {
            Ok(()) if object == "labelset" => self.labelsets += 1,
            Ok(()) => self.references += 1,
            Err(reason) => {
                tracing::warn!(object, name, reason, "the new model cannot use this");
                let name = name.to_owned();
                self.unusable.push(Unusable {
                    object,
                    name,
                    reason,
                });
            }
        }
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

async fn embed(state: &AppState, set: &Arc<LabelSet>, model: &Model) -> Result<(), String> {
    let embedded = state.labelsets.embedded_by(set, model).await;
    embedded.map(drop).map_err(|error| error.to_string())
}

async fn learn(
    state: &AppState,
    reference: &Arc<Reference>,
    model: &Arc<Model>,
) -> Result<(), String> {
    let options = EmbedOptions {
        lane: Lane::Bulk,
        images: reference.definition.image_options,
        ..EmbedOptions::default()
    };
    let learnt = state.references.learnt_by(reference, model, options).await;
    learnt.map(drop).map_err(|error| error.to_string())
}
