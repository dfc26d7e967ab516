//! The served models: a default one and others, each of which can be replaced while the server runs.
//!
//! A request gets its model once and holds it until it is answered. A model that is replaced or unloaded is only removed
//! from the list: a request that holds it may still queue its items, and the last holder closes the queue when it drops
//! the model (see `Intake`). Then the workers run the remaining items and end. So no accepted item is lost, and no
//! request is between two models.

use std::iter::once;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::alias;
use super::cpu_pool::CpuPool;
use super::error::{LoadError, RegistryError};
use super::model::Model;
use super::retirement::Retirement;
use super::settings::EngineSettings;
use crate::bundle::Bundle;
use crate::config::Alias;
use crate::telemetry::Metrics;

/// The common settings for loading models.
#[derive(Debug)]
pub struct Loader {
    /// The precision.
    pub precision: String,
    /// The settings of the engine.
    pub settings: EngineSettings,
    /// The pool that prepares items, shared by all models.
    pub pool: CpuPool,
    /// The process's metrics.
    pub metrics: Arc<Metrics>,
}

impl Loader {
    fn load(&self, folder: &Path) -> Result<Arc<Model>, LoadError> {
        let (pool, metrics) = (self.pool.clone(), self.metrics.clone());
        let model = Model::load(folder, &self.precision, &self.settings, pool, metrics)?;
        tracing::info!(
            model = model.name(),
            device = model.device(),
            provider = model.provider(),
            "precision {}: {}",
            model.precision(),
            model.precision_reason()
        );
        Ok(model)
    }
}

/// A model that was loaded into a running server.
#[derive(Debug)]
pub struct Loaded {
    /// The new model.
    pub model: Arc<Model>,
    /// Whether it replaced a model with the same name.
    pub replaced: bool,
}

/// All served models.
#[derive(Debug)]
pub struct Registry {
    loader: Loader,
    aliases: Vec<Alias>,
    /// Changed by single assignments, so a panic elsewhere does not corrupt it.
    served: RwLock<Served>,
    /// Held while a model is being loaded: concurrent loads would compete for memory and cores.
    loading: Mutex<()>,
    retirement: Retirement,
}

#[derive(Debug)]
struct Served {
    default: Arc<Model>,
    others: Vec<Arc<Model>>,
    stopped: bool,
}

impl Registry {
    /// Loads bundles, one after another; the first is the default model. Blocks.
    ///
    /// # Errors
    /// Conflicts of names, before anything is loaded, and the errors of a load.
    pub fn open(
        folders: &[PathBuf],
        aliases: Vec<Alias>,
        loader: Loader,
    ) -> Result<Self, RegistryError> {
        alias::check(&aliases, &distinct_names(folders)?)?;
        let (first, others) = folders.split_first().ok_or(RegistryError::Empty)?;
        let default = loader.load(first)?;
        let others = others.iter().map(|folder| loader.load(folder));
        let others = others.collect::<Result<Vec<_>, _>>()?;
        let this = Self {
            loader,
            aliases,
            served: RwLock::new(Served {
                default,
                others,
                stopped: false,
            }),
            loading: Mutex::default(),
            retirement: Retirement::default(),
        };
        this.all().iter().for_each(|model| this.publish(model));
        Ok(this)
    }

    /// The model for requests without one.
    pub fn default_model(&self) -> Arc<Model> {
        self.served.read().default.clone()
    }

    /// The model with this name or alias.
    pub fn get(&self, name: &str) -> Option<Arc<Model>> {
        let name = self.own_name(name);
        self.served
            .read()
            .iter()
            .find(|m| m.name() == name)
            .cloned()
    }

    /// A model's own name, whether or not it is loaded; the name itself if it is no alias.
    pub fn own_name<'a>(&'a self, name: &'a str) -> &'a str {
        let alias = self.aliases.iter().find(|alias| alias.name == name);
        alias.map_or(name, |alias| &alias.model)
    }

    /// Aliases of models. An unloaded model keeps its aliases until it is loaded again.
    pub fn aliases(&self) -> &[Alias] {
        &self.aliases
    }

    /// All models at one moment, the default one first.
    pub fn all(&self) -> Vec<Arc<Model>> {
        self.served.read().iter().cloned().collect()
    }

    /// Loads a bundle while the other models serve, verifies it and warms it up, and only then lets it accept requests. It
    /// replaces the model with the same name if there is one. `before_use` is called with the new model before requests can
    /// reach it. Blocks.
    ///
    /// # Errors
    /// [`RegistryError::Busy`], [`RegistryError::Stopping`], or the reason why the bundle cannot be served; the old model
    /// continues.
    pub fn load(
        &self,
        folder: &Path,
        before_use: impl FnOnce(&Arc<Model>),
    ) -> Result<Loaded, RegistryError> {
        let _alone = self.loading.try_lock().ok_or(RegistryError::Busy)?;
        if self.served.read().stopped {
            return Err(RegistryError::Stopping);
        }
        for name in distinct_names(&[folder.to_owned()])? {
            if self.aliases.iter().any(|alias| alias.name == name) {
                return Err(RegistryError::NameIsAlias(name));
            }
        }
        let model = self.loader.load(folder)?;
        before_use(&model);
        let old = {
            let mut served = self.served.write();
            let old = served.put(model.clone())?;
            old.iter().for_each(|old| self.hide(old));
            self.publish(&model);
            old
        };
        let replaced = old.is_some();
        old.into_iter().for_each(|old| self.retirement.retire(old));
        tracing::info!(
            model = model.name(),
            replaced,
            "model loaded from {}",
            folder.display()
        );
        Ok(Loaded { model, replaced })
    }

    /// Removes a model from the list. Requests that hold it are answered.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] or [`RegistryError::IsDefault`].
    pub fn unload(&self, name: &str) -> Result<(), RegistryError> {
        let model = {
            let mut served = self.served.write();
            let model = served.take(name)?;
            self.hide(&model);
            model
        };
        self.retirement.retire(model);
        tracing::info!(model = name, "model unloaded");
        Ok(())
    }

    /// The reasons why models are not ready, by name; `None` if all are.
    pub fn not_ready_reason(&self) -> Option<String> {
        let all = self.all();
        let reasons = all.iter().filter_map(|model| {
            let reason = model.health().not_ready_reason()?;
            Some(format!("{}: {reason}", model.name()))
        });
        let reasons: Vec<_> = reasons.collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// Closes all queues, runs the accepted items, and waits until all workers have ended. Blocks.
    pub fn stop(&self) {
        self.served.write().stopped = true;
        let models = self.all();
        // All are closed before the first one is waited for, so that they finish concurrently.
        models.iter().for_each(|model| model.close());
        self.retirement.close();
        models.iter().for_each(|model| model.stop());
        self.retirement.wait();
    }

    // Both under the list's lock, so that the metric matches the list.

    fn publish(&self, model: &Model) {
        let device = model.device();
        let labels = [model.name(), model.precision(), &device, model.provider()];
        let info = &self.loader.metrics.model_info;
        info.with_label_values(&labels).set(1);
    }

    fn hide(&self, model: &Model) {
        let device = model.device();
        let labels = [model.name(), model.precision(), &device, model.provider()];
        // Only fails for a model that was never published.
        let _ = self.loader.metrics.model_info.remove_label_values(&labels);
    }
}

impl Served {
    fn iter(&self) -> impl Iterator<Item = &Arc<Model>> {
        once(&self.default).chain(&self.others)
    }

    /// Replaces the model with the same name, which is returned, or appends the model.
    fn put(&mut self, model: Arc<Model>) -> Result<Option<Arc<Model>>, RegistryError> {
        if self.stopped {
            return Err(RegistryError::Stopping);
        }
        let place = once(&mut self.default)
            .chain(&mut self.others)
            .find(|known| known.name() == model.name());
        Ok(match place {
            Some(place) => Some(std::mem::replace(place, model)),
            None => {
                self.others.push(model);
                None
            }
        })
    }

    fn take(&mut self, name: &str) -> Result<Arc<Model>, RegistryError> {
        if self.default.name() == name {
            return Err(RegistryError::IsDefault(name.to_owned()));
        }
        let position = self.others.iter().position(|model| model.name() == name);
        let position = position.ok_or_else(|| RegistryError::Unknown(name.to_owned()))?;
        Ok(self.others.remove(position))
    }
}

/// The names of bundles, from their manifests.
fn distinct_names(folders: &[PathBuf]) -> Result<Vec<String>, RegistryError> {
    let mut known: Vec<(String, &PathBuf)> = Vec::new();
    for folder in folders {
        let bundle = Bundle::open_unverified(folder).map_err(LoadError::from)?;
        let name = bundle.manifest.name;
        if let Some((_, first)) = known.iter().find(|(other, _)| *other == name) {
            return Err(RegistryError::SameName {
                name,
                first: first.to_path_buf(),
                second: folder.clone(),
            });
        }
        known.push((name, folder));
    }
    Ok(known.into_iter().map(|(name, _)| name).collect())
}
