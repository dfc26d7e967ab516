//! References: images of good parts that are learnt once, and that other pictures are then compared with by name.
//!
//! A reference survives a restart and a change of its model, as label sets do: its images are stored as they were posted, and
//! beside them what the models learnt of them. Images that are added later make a new version, which is learnt from all of
//! them, so that a version is a function of its images and the model alone.

mod base64_bytes;
mod definition;
mod error;
mod frame;
mod inline;
mod layers;
mod learn;
mod learnt;
mod lesson;
mod seen;

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::PathBuf;
use std::sync::Arc;

pub use definition::{Definition, Photograph, Places, RESOLUTIONS, check_resolution};
pub use error::ReferenceError;
pub use frame::Frame;
pub use layers::{Maps, maps};
pub use learn::learn;
pub use learnt::{Fitted, Learnt, compared};
pub use seen::{Seen, see};

use self::inline::Inline;
use crate::database::Database;
use crate::engine::{EmbedOptions, Model};
use crate::named::{Backing, Changes, Entry, Limits, Store, StoreError, check_name};

/// A reference in memory.
pub type Reference = Entry<Definition, Learnt>;

/// Far beyond normal use: the limit on bytes is reached before.
const MOST: usize = 10_000;

/// Changes of so many different references may be under way at a time.
const CHANGES: usize = 64;

/// Servers that add to the same reference at the same time: an addition is tried so often.
const MOST_TRIES: usize = 3;

/// All references of a server.
#[derive(Debug)]
pub struct References {
    store: Store<Definition, Learnt>,
    most_images: usize,
    /// Held during a change of the references whose names fall on it, so that images are added to what is there.
    changing: Vec<tokio::sync::Mutex<()>>,
    inline: Inline,
}

impl References {
    /// Reads the references of a folder, which need not exist yet, or of a database that several servers share. One has at most `most_images` images; all of them and
    /// what is learnt of them take at most `most_bytes`.
    ///
    /// # Errors
    /// A file or row that cannot be read; the error names it.
    pub async fn open(
        folder: PathBuf,
        shared: Option<Database>,
        most_images: usize,
        most_bytes: usize,
    ) -> Result<Self, StoreError> {
        let limits = Limits {
            entries: MOST,
            bytes: most_bytes,
            old_versions: 0,
        };
        let old_versions = limits.old_versions;
        let backing =
            Backing::open::<Definition, Learnt>(folder, shared, "reference", old_versions);
        Ok(Self {
            store: Store::open(backing.await?, limits).await?,
            most_images,
            changing: (0..CHANGES)
                .map(|_| tokio::sync::Mutex::default())
                .collect(),
            inline: Inline::default(),
        })
    }

    /// The reference with this name.
    ///
    /// # Errors
    /// [`ReferenceError::Unknown`].
    pub fn get(&self, name: &str) -> Result<Arc<Reference>, ReferenceError> {
        let unknown = || ReferenceError::Unknown(name.to_owned());
        self.store.get(name).ok_or_else(unknown)
    }

    /// All references, sorted by name.
    pub fn all(&self) -> Vec<Arc<Reference>> {
        self.store.all()
    }

    /// Checks whether a reference with this name and so many images of so many bytes in all can be stored, before any of
    /// them is decoded.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub fn check(&self, name: &str, definition: &Definition) -> Result<(), ReferenceError> {
        check_name(name)?;
        definition.check(self.most_images)?;
        self.store.check_room(name, definition)?;
        Ok(())
    }

    /// Creates or replaces a reference atomically: it is learnt, on disk and in use when this returns, or nothing has
    /// changed. True if it is new.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub async fn put(
        &self,
        name: &str,
        definition: Definition,
        model: &Arc<Model>,
        options: EmbedOptions,
    ) -> Result<(Arc<Reference>, bool), ReferenceError> {
        self.check(name, &definition)?;
        let _changing = self.changing(name).lock().await;
        let learnt = learn(model, &definition, options).await?;
        Ok(self.store.put(name, definition, Some(learnt)).await?)
    }

    /// Adds images to a reference: its next version. `model_of` finds the model that the reference names.
    ///
    /// # Errors
    /// [`ReferenceError`]; the reference is what it was then.
    pub async fn add<X: From<ReferenceError>>(
        &self,
        name: &str,
        images: Vec<Photograph>,
        model_of: impl Fn(&Definition) -> Result<Arc<Model>, X>,
        options: EmbedOptions,
    ) -> Result<Arc<Reference>, X> {
        if images.is_empty() {
            return Err(ReferenceError::NoImages.into());
        }
        let _changing = self.changing(name).lock().await;
        // Another server may have added images, too: these come after them.
        for _ in 0..MOST_TRIES {
            let known = self.get(name)?;
            let mut definition = known.definition.clone();
            let before = definition.images.len();
            definition.images.extend(images.iter().cloned());
            self.check(name, &definition)?;
            let model = model_of(&definition)?;
            let learnt = learn(&model, &definition, options).await;
            let learnt = learnt.map_err(|error| error.of_added(before))?;
            match self.store.replace(&known, definition, Some(learnt)).await {
                Err(StoreError::Changed) => {
                    self.read_again().await.map_err(ReferenceError::from)?;
                }
                replaced => return Ok(replaced.map_err(ReferenceError::from)?),
            }
        }
        Err(ReferenceError::from(StoreError::Changed).into())
    }

    /// The lock of the changes of a name.
    fn changing(&self, name: &str) -> &tokio::sync::Mutex<()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
        &self.changing[hash as usize % self.changing.len()]
    }

    /// Removes a reference.
    ///
    /// # Errors
    /// [`ReferenceError::Unknown`], or an error of the disk.
    pub async fn delete(&self, name: &str) -> Result<(), ReferenceError> {
        let known = self.store.delete(name, |_| ()).await?;
        let unknown = || ReferenceError::Unknown(name.to_owned());
        known.then_some(()).ok_or_else(unknown)
    }

    /// Reads the folder again, so that changes by other processes take effect.
    ///
    /// # Errors
    /// See [`Store::read_again`]; nothing changes then.
    pub async fn read_again(&self) -> Result<Changes, StoreError> {
        self.store.read_again(|_| ()).await
    }

    /// What a model learnt of a reference. It is learnt now if that has not happened yet, and stored beside what other models
    /// learnt. Learning goes on if the request ends: the next one would otherwise start again.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub async fn learnt_by(
        self: &Arc<Self>,
        reference: &Arc<Reference>,
        model: &Arc<Model>,
        options: EmbedOptions,
    ) -> Result<Arc<Learnt>, ReferenceError> {
        let image_options = reference.definition.image_options.or(model.image_options());
        let fingerprint = model.fingerprint().to_owned();
        let is_wanted = move |learnt: &Learnt| {
            learnt.fingerprint == fingerprint && learnt.image_options == image_options
        };
        if let Some(last) = reference.last_computed().filter(|last| is_wanted(last)) {
            return Ok(last);
        }
        let (this, reference, model) = (self.clone(), reference.clone(), model.clone());
        let options = EmbedOptions {
            deadline: None,
            ..options
        };
        let learning = tokio::spawn(async move {
            let learn = async {
                tracing::info!(
                    reference = reference.name,
                    model = model.name(),
                    "learning a reference for another model"
                );
                learn(&model, &reference.definition, options).await
            };
            this.store.computed(&reference, is_wanted, learn).await
        });
        learning.await.map_err(std::io::Error::other)?
    }

    /// What a model learns of images that came with a request. The last ones are kept, for the next request with the same.
    ///
    /// # Errors
    /// [`ReferenceError`].
    pub async fn learnt_inline(
        &self,
        definition: Definition,
        model: &Arc<Model>,
        options: EmbedOptions,
    ) -> Result<Arc<Learnt>, ReferenceError> {
        self.inline.learnt(definition, model, options).await
    }
}
