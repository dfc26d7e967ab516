//! When a model's workers may end: when nobody can add items any more.

use std::ops::Deref;
use std::sync::Arc;

use super::queue::Queue;

/// The way into a queue, held by its model. Whoever holds the model may put items in; when the last one lets go, the
/// queue is closed, and the workers end as soon as it is empty.
#[derive(Debug)]
pub struct Intake(Arc<Queue>);

impl Intake {
    pub fn new(queue: Queue) -> Self {
        Self(Arc::new(queue))
    }
}

impl Deref for Intake {
    type Target = Arc<Queue>;

    fn deref(&self) -> &Arc<Queue> {
        &self.0
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.0.close();
    }
}
