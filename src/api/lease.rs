//! A permit that others may take while the server waits for its holder's client.
//!
//! A request holds its slot and its share of the byte budget from its head on. Clients that send a head and then only a byte
//! per second could hold all of them for as long as a request may take. So when a budget is used up, a request that needs
//! some of it takes what the slowest sender holds. Nothing can be taken from a request whose body is complete.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// A sender is slow if it is below this rate, in bytes per second.
const BYTES_A_SECOND: f64 = 65_536.0;

/// Minimum time to wait, because a packet is always in transit. It is also the maximum lead of a sender, however fast it was
/// before.
const PATIENCE: Duration = Duration::from_millis(100);

/// A budget, and the leases whose clients are late with a body.
#[derive(Debug, Clone)]
pub struct Budget {
    units: Arc<Semaphore>,
    owing: Arc<Mutex<Vec<Weak<Lease>>>>,
}

/// The part of a budget that one request holds; released when it is dropped.
#[derive(Debug)]
pub struct Lease {
    budget: Budget,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<OwnedSemaphorePermit>,
    /// If the client still has to send a body or the rest of one: the latest time for more of it.
    due: Option<Instant>,
    lost: bool,
    waker: Option<Waker>,
}

/// The reason why a lease cannot grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The budget is used up.
    Full,
    /// What it held was taken by another request.
    Lost,
}

impl Budget {
    /// A budget of this many units.
    pub fn new(units: usize) -> Self {
        Self {
            units: Arc::new(Semaphore::new(units)),
            owing: Arc::default(),
        }
    }

    /// A lease of no units, whose client has nothing to send.
    pub fn lease(&self) -> Arc<Lease> {
        Arc::new(Lease {
            budget: self.clone(),
            state: Mutex::default(),
        })
    }

    /// Takes units, from the slowest senders if there are no others.
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

    /// Takes what the slowest sender holds; returns whether there is one.
    fn take_over(&self) -> bool {
        let now = Instant::now();
        let owing = self.owing();
        let behind = owing
            .iter()
            .filter_map(|lease| Some((lease.state.lock().behind(now)?, lease)));
        let slowest = behind.max_by_key(|(behind, _)| *behind);
        slowest.is_some_and(|(_, lease)| lease.state.lock().lose(now))
    }

    /// The leases whose clients have something to send; the others are removed.
    fn owing(&self) -> Vec<Arc<Lease>> {
        let mut found = Vec::new();
        self.owing.lock().retain(|lease| {
            let lease = lease
                .upgrade()
                .filter(|lease| lease.state.lock().due.is_some());
            let owes = lease.is_some();
            found.extend(lease);
            owes
        });
        found
    }
}

impl Lease {
    /// Takes or releases units until this many are held.
    ///
    /// # Errors
    /// [`Refused`]; what is held stays held.
    pub fn resize(&self, units: usize) -> Result<(), Refused> {
        let held = self.held()?;
        if units <= held {
            let mut state = self.state.lock();
            if let Some(permit) = &mut state.held {
                drop(permit.split(permit.num_permits() - units));
            }
            return Ok(());
        }
        // Not while its own state is locked, because others read it.
        let more = self.budget.acquire(units - held)?;
        let mut state = self.state.lock();
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
        let state = self.state.lock();
        if state.lost {
            return Err(Refused::Lost);
        }
        let held = state.held.as_ref();
        Ok(held.map_or(0, OwnedSemaphorePermit::num_permits))
    }

    /// The client has to send a body from now on, unless it has to already.
    pub fn owed(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.due.is_some() {
            return;
        }
        state.due = Some(Instant::now() + PATIENCE);
        drop(state);
        let mut owing = self.budget.owing.lock();
        if owing.len() == owing.capacity() {
            // Before the list grows: removes those of finished requests.
            owing.retain(|lease| lease.strong_count() > 0);
        }
        owing.push(Arc::downgrade(self));
    }

    /// Records that bytes of the expected body arrived, if one is expected.
    pub fn received(&self, bytes: usize) {
        if let Some(due) = &mut self.state.lock().due {
            let later = *due + Duration::from_secs_f64(bytes as f64 / BYTES_A_SECOND);
            *due = later.min(Instant::now() + PATIENCE);
        }
    }

    /// The client has nothing to send any more.
    pub fn settled(&self) {
        self.state.lock().due = None;
    }

    /// Ready when what was held has been taken.
    pub fn poll_lost(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
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
    /// How late a slow sender is that holds something.
    fn behind(&self, now: Instant) -> Option<Duration> {
        let due = self.due.filter(|_| self.held.is_some())?;
        now.checked_duration_since(due)
    }

    fn lose(&mut self, now: Instant) -> bool {
        // It may have arrived by now.
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
    fn the_slowest_sender_loses_its_share() {
        let budget = Budget::new(2);
        let [slow, quick, new] = [(); 3].map(|()| budget.lease());
        for lease in [&slow, &quick] {
            lease.owed();
            lease.resize(1).unwrap();
        }
        // No sender is late yet.
        assert_eq!(new.resize(1), Err(Refused::Full));
        wait();
        quick.received(1 << 20);
        new.resize(1).unwrap();
        assert!(lost(&slow) && !lost(&quick) && !lost(&new));
        assert_eq!(slow.resize(2), Err(Refused::Lost));
        // A sender that is fast enough keeps what it has.
        assert_eq!(new.resize(2), Err(Refused::Full));
    }

    #[test]
    fn a_fast_sender_that_stops_becomes_slow() {
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
    fn a_complete_body_is_never_taken_over() {
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
    fn several_leases_are_taken_for_a_large_one() {
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
