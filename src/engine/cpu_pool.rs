//! Threads for work that would block the asynchronous runtime: decoding, resizing, tokenising.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::error::EngineError;
use super::job::Lane;
use crate::preprocess::Stop;
use crate::telemetry::Metrics;

/// A pool of named threads. A free thread takes interactive work first. Within a lane the tenants take turns, and so do the
/// requests of each: neither a request of many items nor a tenant of many requests holds up the others. Work whose requester
/// is gone by its turn is skipped.
#[derive(Debug, Clone)]
pub struct CpuPool {
    pool: Arc<rayon::ThreadPool>,
    waiting: Arc<Waiting>,
    metrics: Arc<Metrics>,
}

type Work = Box<dyn FnOnce() + Send>;

/// Whom the pool is shared out among: the callers with one API key are one tenant, and so are all callers without any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tenant(u64);

impl Tenant {
    /// The tenant of a number; 0 is the callers without a key.
    pub fn new(number: u64) -> Self {
        Self(number)
    }
}

/// Whose work it is: pieces with the same turn are taken in order, and different turns alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    tenant: Tenant,
    request: u64,
}

impl Turn {
    /// For a new request.
    pub fn next(tenant: Tenant) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let request = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { tenant, request }
    }
}

/// Work by lane, by tenant and by request, each in the order of their turns. Whoever puts work in also spawns a thread's turn,
/// and that takes whatever is most urgent by then.
#[derive(Default)]
struct Waiting(Mutex<[Tenants; 2]>);

type Tenants = VecDeque<(Tenant, Requests)>;
/// Of one tenant, with the pieces of each.
type Requests = VecDeque<(u64, VecDeque<Work>)>;

impl Waiting {
    fn put(&self, lane: Lane, turn: Turn, work: Work) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = of(&mut lanes[lane as usize], turn.tenant);
        of(requests, turn.request).push_back(work);
    }

    fn take(&self) -> Option<Work> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tenants = lanes.iter_mut().find(|tenants| !tenants.is_empty())?;
        let (tenant, mut requests) = tenants.pop_front()?;
        let (request, mut pieces) = requests.pop_front()?;
        let work = pieces.pop_front();
        if !pieces.is_empty() {
            requests.push_back((request, pieces));
        }
        if !requests.is_empty() {
            tenants.push_back((tenant, requests));
        }
        work
    }
}

/// Sets its flag when it is dropped: with the future that waits for a piece of work.
struct Waiter(Arc<AtomicBool>);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What waits under a name, which comes last if it is new. A request puts all of its pieces in at once: it is looked for from
/// the end.
fn of<N: PartialEq, T: Default>(turns: &mut VecDeque<(N, T)>, name: N) -> &mut T {
    let known = turns.iter().rposition(|(known, _)| *known == name);
    let place = known.unwrap_or_else(|| {
        turns.push_back((name, T::default()));
        turns.len() - 1
    });
    &mut turns[place].1
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}

impl CpuPool {
    /// Starts `threads` threads.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn new(threads: usize, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("prepare-{i}"))
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            pool: Arc::new(pool),
            waiting: Arc::default(),
            metrics,
        })
    }

    /// Runs `work` on the pool in its request's turn and gives its result. Work whose future is dropped before its turn never
    /// runs; work that runs by then is told by the [`Stop`] that it is given.
    ///
    /// # Errors
    /// [`EngineError::Inference`] if the work panicked; the pool lives on.
    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        turn: Turn,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let (sender, receiver) = oneshot::channel();
        self.metrics.prepare_pending.inc();
        let metrics = self.metrics.clone();
        let waiter = Waiter(Arc::default());
        let stop = Stop::when(waiter.0.clone());
        self.waiting.put(
            lane,
            turn,
            Box::new(move || {
                metrics.prepare_pending.dec();
                if sender.is_closed() {
                    return;
                }
                // A panic in a decoder is that item's failure, not the process's.
                let work = std::panic::AssertUnwindSafe(|| work(&stop));
                if let Ok(result) = std::panic::catch_unwind(work) {
                    let _ = sender.send(result);
                }
            }),
        );
        let waiting = self.waiting.clone();
        self.pool.spawn_fifo(move || {
            if let Some(work) = waiting.take() {
                work();
            }
        });
        let result = receiver.await;
        drop(waiter);
        result.map_err(|_| {
            EngineError::Inference("preparing the item failed unexpectedly".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn interactive_work_overtakes_bulk_work() {
        let pool = CpuPool::new(1, Arc::new(Metrics::new().unwrap())).unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let (hold, held) = std::sync::mpsc::channel::<()>();
        // One piece of work keeps the only thread busy while the others queue up.
        let busy = pool.run(Lane::Bulk, Turn::next(Tenant::default()), move |_| {
            held.recv().unwrap()
        });
        let note = |name: &'static str| {
            let order = order.clone();
            move |_: &Stop| order.lock().unwrap().push(name)
        };
        let release = async {
            while pool.metrics.prepare_pending.get() < 2 {
                tokio::task::yield_now().await;
            }
            hold.send(()).unwrap();
        };
        let (first, second) = (
            pool.run(Lane::Bulk, Turn::next(Tenant::default()), note("bulk")),
            pool.run(
                Lane::Interactive,
                Turn::next(Tenant::default()),
                note("interactive"),
            ),
        );
        let (busy, first, second, ()) = tokio::join!(busy, first, second, release);
        assert!(busy.is_ok() && first.is_ok() && second.is_ok());
        assert_eq!(*order.lock().unwrap(), ["interactive", "bulk"]);
    }

    /// The order in which pieces are taken that are put in together: a name each, with its turn.
    fn order(pieces: &[(Turn, char)]) -> String {
        let waiting = Waiting::default();
        let order = Arc::new(Mutex::new(String::new()));
        for (turn, name) in pieces.iter().copied() {
            let order = order.clone();
            let work = Box::new(move || order.lock().unwrap().push(name));
            waiting.put(Lane::Interactive, turn, work);
        }
        while let Some(work) = waiting.take() {
            work();
        }
        Arc::into_inner(order).unwrap().into_inner().unwrap()
    }

    #[test]
    fn requests_take_turns() {
        let [large, small] = [(); 2].map(|()| Turn::next(Tenant::default()));
        let pieces = [
            (large, 'L'),
            (large, 'L'),
            (large, 'L'),
            (small, 's'),
            (small, 's'),
        ];
        assert_eq!(order(&pieces), "LsLsL");
    }

    #[test]
    fn tenants_take_turns_however_many_requests_they_have() {
        let [many, few, nobody] = [1, 2, 0].map(Tenant::new);
        let mut pieces: Vec<_> = (0..100).map(|_| (Turn::next(many), 'M')).collect();
        let two = Turn::next(few);
        pieces.extend([(two, 'f'), (two, 'f'), (Turn::next(few), 'g')]);
        pieces.push((Turn::next(nobody), 'n'));
        let order = order(&pieces);
        assert!(order.starts_with("MfnMgMfMM"), "{order}");
        assert_eq!(order.len(), 104);
    }

    #[tokio::test]
    async fn work_is_told_that_nobody_waits_any_more() {
        let pool = CpuPool::new(1, Arc::new(Metrics::new().unwrap())).unwrap();
        let (begun, began) = oneshot::channel();
        let (sender, told) = oneshot::channel();
        let work = move |stop: &Stop| {
            begun.send(()).unwrap();
            while !stop.is_gone() {
                std::thread::yield_now();
            }
            sender.send(()).unwrap();
        };
        let mut running =
            Box::pin(pool.run(Lane::Interactive, Turn::next(Tenant::default()), work));
        tokio::select! {
            _ = &mut running => unreachable!("it runs until it is told"),
            began = began => began.unwrap(),
        }
        drop(running);
        told.await.unwrap();
        assert_eq!(
            pool.run(
                Lane::Interactive,
                Turn::next(Tenant::default()),
                Stop::is_gone
            )
            .await,
            Ok(false)
        );
    }

    #[tokio::test]
    async fn a_panic_is_one_item_s_failure() {
        let pool = CpuPool::new(1, Arc::new(Metrics::new().unwrap())).unwrap();
        let failed = pool
            .run(Lane::Interactive, Turn::next(Tenant::default()), |_| {
                panic!("a decoder's bug")
            })
            .await;
        assert!(matches!(failed, Err::<(), _>(EngineError::Inference(_))));
        assert_eq!(
            pool.run(Lane::Interactive, Turn::next(Tenant::default()), |_| 7)
                .await,
            Ok(7)
        );
    }
}
