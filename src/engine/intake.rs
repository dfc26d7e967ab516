//! Ends a model's workers when nobody can add items any more.

use std::ops::Deref;
use std::sync::Arc;

use super::queue::Queue;

/// Access to a queue, held by its model. Every holder of the model can add items. When the last one drops it, the queue is
/// closed, and the workers end as soon as it is empty.
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
