//! A permit that others may take over as long as its holder's client keeps it waiting.
//!
//! A request holds its place, and its share of the byte budget, from its head on. Clients that send a head and then next to
//! nothing could hold all of them, a byte a second, for as long as a request may take. So when a budget is used up, whoever
//! needs some of it takes over what the slowest sender holds. A body that is there cannot be taken anything from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// A sender is slow when it is behind this rate, in bytes a second.
const BYTES_A_SECOND: f64 = 65_536.0;

/// It is waited for so long at least: a packet is always under way. No sender is ahead by more, however fast it was before.
const PATIENCE: Duration = Duration::from_millis(100);

/// A budget, and those whose clients owe a body.
#[derive(Debug, Clone)]
pub struct Budget {
    units: Arc<Semaphore>,
    owing: Arc<Mutex<Vec<Weak<Lease>>>>,
}

/// What one request holds of a budget; given back when it is dropped.
#[derive(Debug)]
pub struct Lease {
    budget: Budget,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<OwnedSemaphorePermit>,
    /// If the client owes a body, or the rest of one: when more of it should have come at the latest.
    due: Option<Instant>,
    lost: bool,
    waker: Option<Waker>,
}

/// Why a lease holds no more than it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The budget is used up.
    Full,
    /// What it held was taken over.
    Lost,
}

impl Budget {
    /// Of so many units.
    pub fn new(units: usize) -> Self {
        Self {
            units: Arc::new(Semaphore::new(units)),
            owing: Arc::default(),
        }
    }

    /// A lease of no units yet, whose client owes nothing.
    pub fn lease(&self) -> Arc<Lease> {
        Arc::new(Lease {
            budget: self.clone(),
            state: Mutex::default(),
        })
    }

    /// Takes units, those of the slowest senders if there are no others.
    fn acquire(&self, units: usize) -> Result<OwnedSemaphorePermit, Refused> {
        let units = u32::try_from(units).map_err(|_| Refused::Full)?;
        loop {
            match self.units.clone().try_acquire_many_owned(units) {
                Ok(permit) => return Ok(permit),
                Err(TryAcquireError::NoPermits) if self.take_over() => {}
                Err(_) => return Err(Refused::Full),
            }
        }
    }

    /// Takes what the slowest sender holds; whether there is one.
    fn take_over(&self) -> bool {
        let now = Instant::now();
        let owing = self.owing();
        let behind = owing
            .iter()
            .filter_map(|lease| Some((lock(&lease.state).behind(now)?, lease)));
        let slowest = behind.max_by_key(|(behind, _)| *behind);
        slowest.is_some_and(|(_, lease)| lock(&lease.state).lose(now))
    }

    /// Those whose clients owe something; the others are forgotten.
    fn owing(&self) -> Vec<Arc<Lease>> {
        let mut found = Vec::new();
        lock(&self.owing).retain(|lease| {
            let lease = lease
                .upgrade()
                .filter(|lease| lock(&lease.state).due.is_some());
            let owes = lease.is_some();
            found.extend(lease);
            owes
        });
        found
    }
}

impl Lease {
    /// Takes or gives back until so many units are held.
    ///
    /// # Errors
    /// [`Refused`]; what is held stays held.
    pub fn resize(&self, units: usize) -> Result<(), Refused> {
        let held = self.held()?;
        if units <= held {
            let mut state = lock(&self.state);
            if let Some(permit) = &mut state.held {
                drop(permit.split(permit.num_permits() - units));
            }
            return Ok(());
        }
        // Not while its own state is locked: others look at it.
        let more = self.budget.acquire(units - held)?;
        let mut state = lock(&self.state);
        if state.lost {
            return Err(Refused::Lost);
        }
        match &mut state.held {
            Some(held) => held.merge(more),
            None => state.held = Some(more),
        }
        Ok(())
    }

    fn held(&self) -> Result<usize, Refused> {
        let state = lock(&self.state);
        if state.lost {
            return Err(Refused::Lost);
        }
        let held = state.held.as_ref();
        Ok(held.map_or(0, OwnedSemaphorePermit::num_permits))
    }

    /// The client owes a body from now on, unless it does already.
    pub fn owed(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if state.due.is_some() {
            return;
        }
        state.due = Some(Instant::now() + PATIENCE);
        drop(state);
        let mut owing = lock(&self.budget.owing);
        if owing.len() == owing.capacity() {
            // Before the list grows: those of requests that are over.
            owing.retain(|lease| lease.strong_count() > 0);
        }
        owing.push(Arc::downgrade(self));
    }

    /// So many bytes came of what is owed, if anything is.
    pub fn received(&self, bytes: usize) {
        if let Some(due) = &mut lock(&self.state).due {
            let later = *due + Duration::from_secs_f64(bytes as f64 / BYTES_A_SECOND);
            *due = later.min(Instant::now() + PATIENCE);
        }
    }

    /// The client owes nothing any more.
    pub fn settled(&self) {
        lock(&self.state).due = None;
    }

    /// Ready when what was held has been taken over.
    pub fn poll_lost(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.lost {
            return Poll::Ready(());
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => state.waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl State {
    /// By how much a slow sender that holds something is behind.
    fn behind(&self, now: Instant) -> Option<Duration> {
        let due = self.due.filter(|_| self.held.is_some())?;
        now.checked_duration_since(due)
    }

    fn lose(&mut self, now: Instant) -> bool {
        // It may have come by now.
        if self.behind(now).is_some() {
            self.held = None;
            self.lost = true;
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait() {
        std::thread::sleep(PATIENCE + Duration::from_millis(50));
    }

    fn lost(lease: &Lease) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        lease.poll_lost(&mut context).is_ready()
    }

    #[test]
    fn the_slowest_sender_gives_way() {
        let budget = Budget::new(2);
        let [slow, quick, new] = [(); 3].map(|()| budget.lease());
        for lease in [&slow, &quick] {
            lease.owed();
            lease.resize(1).unwrap();
        }
        // Nobody is late yet.
        assert_eq!(new.resize(1), Err(Refused::Full));
        wait();
        quick.received(1 << 20);
        new.resize(1).unwrap();
        assert!(lost(&slow) && !lost(&quick) && !lost(&new));
        assert_eq!(slow.resize(2), Err(Refused::Lost));
        // A sender that is quick enough keeps what it has.
        assert_eq!(new.resize(2), Err(Refused::Full));
    }

    #[test]
    fn who_was_fast_and_stopped_is_slow() {
        let budget = Budget::new(1);
        let [stopped, new] = [(); 2].map(|()| budget.lease());
        stopped.owed();
        stopped.resize(1).unwrap();
        stopped.received(60 << 20);
        wait();
        new.resize(1).unwrap();
        assert!(lost(&stopped));
    }

    #[test]
    fn a_body_that_is_there_gives_nothing_away() {
        let budget = Budget::new(1);
        let [there, new] = [(); 2].map(|()| budget.lease());
        there.owed();
        there.resize(1).unwrap();
        there.settled();
        wait();
        assert_eq!(new.resize(1), Err(Refused::Full));
        drop(there);
        new.resize(1).unwrap();
    }

    #[test]
    fn several_give_way_for_one_that_needs_much() {
        let budget = Budget::new(4);
        let slow: Vec<_> = (0..4).map(|_| budget.lease()).collect();
        for lease in &slow {
            lease.owed();
            lease.resize(1).unwrap();
        }
        wait();
        let new = budget.lease();
        new.resize(3).unwrap();
        assert_eq!(slow.iter().filter(|lease| lost(lease)).count(), 3);
        new.resize(0).unwrap();
        assert_eq!(budget.units.available_permits(), 3);
    }
}
