//! Work on whole pictures, on the pool that prepares images: what comparing needs besides embeddings.

use super::cost;
use super::error::{EmbedError, EngineError, ItemError};
use super::fair_queue::Flow;
use super::image_source::ImageSource;
use super::model::Model;
use super::request::EmbedOptions;
use crate::preprocess::{self, Picture, Stop};

impl Model {
    /// Decodes an image at its full size and works on it, on the pool that prepares images.
    ///
    /// # Errors
    /// The error of the image or of the pool.
    pub async fn with_picture<T: Send + 'static>(
        &self,
        image: ImageSource,
        options: EmbedOptions,
        work: impl FnOnce(Picture) -> T + Send + 'static,
    ) -> Result<T, EmbedError> {
        let preparer = self.preparer().clone();
        let cost = cost::of_image(&image, &preparer.limits);
        let decode = move |stop: &Stop| {
            let bytes = image.bytes()?;
            let turned = preparer.spec.exif_orientation;
            let images = options.images.or(preparer.image_options);
            let picture = preprocess::decode_whole(&bytes, &preparer.limits, turned, images, stop)?;
            Ok(work(picture))
        };
        let flow = Flow::next(options.tenant);
        let done = self.pool().run(options.lane, flow, cost, decode).await?;
        done.map_err(|error: ItemError| EmbedError::Item { index: 0, error })
    }

    /// Works on the pool that prepares images; `microseconds` is an estimate of its time, at worst.
    ///
    /// # Errors
    /// [`EngineError::Inference`] if the work panicked.
    pub async fn on_pool<T: Send + 'static>(
        &self,
        options: EmbedOptions,
        microseconds: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let flow = Flow::next(options.tenant);
        let work = move |_: &Stop| work();
        self.pool()
            .run(options.lane, flow, microseconds, work)
            .await
    }
}
