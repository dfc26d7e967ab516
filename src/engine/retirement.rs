//! Models that were removed from the list and whose workers have not ended yet.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::Model;
use super::features::FeatureQueue;
use super::queue::Queue;

/// Waits for old models to end, each in its own thread.
#[derive(Debug, Default)]
pub struct Retirement(Mutex<Vec<Retiring>>);

#[derive(Debug)]
struct Retiring {
    queue: Arc<Queue>,
    features: Arc<FeatureQueue>,
    wait: JoinHandle<()>,
}

impl Retirement {
    /// Releases a model. Requests that use it are answered first; then its workers end and its memory is freed.
    pub fn retire(&self, model: Arc<Model>) {
        let (name, queue) = (model.name().to_owned(), model.queue().clone());
        let features = model.feature_graph().queue().clone();
        let workers = model.take_workers();
        drop(model);
        let wait = move || {
            workers.into_iter().for_each(|worker| drop(worker.join()));
            tracing::info!(model = name, "old model released");
        };
        let thread = std::thread::Builder::new().name("retire".to_owned());
        let mut retiring = self.0.lock();
        retiring.retain(|model| !model.wait.is_finished());
        match thread.spawn(wait) {
            Ok(wait) => retiring.push(Retiring {
                queue,
                features,
                wait,
            }),
            // The workers still end, but nothing waits for them.
            Err(error) => tracing::warn!(%error, "no thread to wait for an old model"),
        }
    }

    /// Closes the queues of old models, even for requests that still hold them; accepted items are still run.
    pub fn close(&self) {
        let retiring = self.0.lock();
        for model in retiring.iter() {
            model.queue.close();
            model.features.close();
        }
    }

    /// Waits until the workers of all old models have ended. Blocks.
    pub fn wait(&self) {
        let retiring = std::mem::take(&mut *self.0.lock());
        for model in retiring {
            let _ = model.wait.join();
        }
    }
}
