//! All couriers of a server.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::courier;
use super::definition::Sink;
use super::interest::Interest;
use super::lease::Lease;
use super::outbox::Outbox;
use super::turn::Work;
use crate::telemetry::Metrics;

/// How long a stop waits for messages that are on the way. They are not lost: they are sent again by the next start.
const LAST: Duration = Duration::from_secs(3);

/// The sinks of a server, and the tasks that deliver to them.
#[derive(Debug)]
pub struct Couriers {
    sinks: Vec<Arc<Sink>>,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl Couriers {
    /// For these sinks. Nothing is delivered before [`Self::start`].
    pub fn new(sinks: Vec<Sink>) -> Self {
        Self {
            sinks: sinks.into_iter().map(Arc::new).collect(),
            stop: watch::Sender::new(false),
            tasks: Mutex::default(),
        }
    }

    /// The sinks, in the order of the file.
    pub fn sinks(&self) -> &[Arc<Sink>] {
        &self.sinks
    }

    /// A sink by its name.
    pub fn sink(&self, name: &str) -> Option<&Arc<Sink>> {
        self.sinks.iter().find(|sink| sink.name() == name)
    }

    /// What each of them wants.
    pub fn interests(&self) -> Arc<[Interest]> {
        self.sinks
            .iter()
            .map(|sink| sink.interest.clone())
            .collect()
    }

    /// Begins to deliver what is in an outbox.
    pub fn start(&self, outbox: &Outbox, metrics: &Arc<Metrics>) {
        let mut tasks = self.tasks.lock();
        for sink in &self.sinks {
            let (sink, outbox, metrics) = (sink.clone(), outbox.clone(), metrics.clone());
            let stopping = self.stop.subscribe();
            tasks.spawn(async move {
                let lease = Lease::new(&outbox, sink.name());
                courier::deliver(Work {
                    sink: &sink,
                    outbox: &outbox,
                    lease: &lease,
                    metrics: &metrics.deliveries,
                    stopping: &stopping,
                })
                .await;
            });
        }
    }

    /// Ends all deliveries, after the messages that are on the way if they take no longer than a few seconds.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST, ended).await.is_err() {
            tracing::info!(
                "messages are on the way to a sink; they are sent again after the next start"
            );
        }
        tasks.shutdown().await;
    }
}
