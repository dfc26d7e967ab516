//! The whole files, in order, that wait for a request; and the end of all work.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex};

use super::known::Task;

/// A queue of tasks by time and name.
#[derive(Debug, Default)]
pub struct Ready {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    tasks: BTreeMap<(SystemTime, PathBuf), Task>,
    is_ended: bool,
}

impl Ready {
    /// Adds tasks.
    pub fn add(&self, tasks: Vec<Task>) {
        if tasks.is_empty() {
            return;
        }
        let tasks = tasks.into_iter();
        let tasks = tasks.map(|task| ((task.stamp.modified, task.name.clone()), task));
        self.state.lock().tasks.extend(tasks);
        self.changed.notify_all();
    }

    /// Waits for the oldest task; `None` at the end.
    pub fn next(&self) -> Option<Task> {
        let mut state = self.state.lock();
        loop {
            if state.is_ended {
                return None;
            }
            if let Some((_, task)) = state.tasks.pop_first() {
                return Some(task);
            }
            self.changed.wait(&mut state);
        }
    }

    /// Waits. Returns false at the end.
    pub fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.state.lock();
        while !state.is_ended && !self.changed.wait_until(&mut state, until).timed_out() {}
        !state.is_ended
    }

    /// Ends all work after the requests that are under way.
    pub fn end(&self) {
        self.state.lock().is_ended = true;
        self.changed.notify_all();
    }

    /// Whether the end was asked for.
    pub fn is_ended(&self) -> bool {
        self.state.lock().is_ended
    }
}
