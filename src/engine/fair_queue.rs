//! Order of work if more waits than there are threads: start-time fair queueing (Goyal, Vin and Cheng, 1996), between
//! tenants, and between the requests of each.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

/// The parties among which the threads are shared: the callers with one API key are one tenant, and so are all callers
/// without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tenant(u64);

impl Tenant {
    /// The tenant of a number; 0 stands for the callers without a key.
    pub fn new(number: u64) -> Self {
        Self(number)
    }
}

/// A request of a tenant. Its pieces of work are taken in order and alternate with those of other requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    tenant: Tenant,
    request: u64,
}

impl Flow {
    /// For a new request.
    pub fn next(tenant: Tenant) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let request = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { tenant, request }
    }
}

/// Every this many pieces, the tenant and the request that have waited longest come next, whatever the cost of their work:
/// many small requests cannot delay a large one forever.
const BY_AGE_EVERY: u64 = 4;

/// Waiting work of type `W`. Each piece has a cost. The next piece is the one with the least sum of its own cost and the
/// service that its tenant (and then its request) has received: a request with one small image overtakes any number of large
/// ones, and in the long run all tenants and all requests get equal shares.
#[derive(Debug)]
pub struct FairQueue<W> {
    tenants: Shares<Tenant, Shares<u64, VecDeque<(u64, W)>>>,
    /// Number of pieces added and taken so far: a clock for ages.
    events: u64,
    taken: u64,
}

impl<W> Default for FairQueue<W> {
    fn default() -> Self {
        Self {
            tenants: Shares::default(),
            events: 0,
            taken: 0,
        }
    }
}

impl<W> FairQueue<W> {
    /// Adds a piece of work.
    pub fn put(&mut self, flow: Flow, cost: u64, work: W) {
        self.events += 1;
        let requests = self.tenants.of(flow.tenant, self.events);
        requests
            .of(flow.request, self.events)
            .push_back((cost, work));
    }

    /// Takes the next piece whose cost is at most `most`.
    pub fn take(&mut self, most: u64) -> Option<(u64, W)> {
        let order = if (self.taken + 1).is_multiple_of(BY_AGE_EVERY) {
            Order::Age
        } else {
            Order::Cost
        };
        let cost_of = |pieces: &VecDeque<(u64, W)>| {
            let cost = pieces.front().map(|(cost, _)| *cost);
            cost.filter(|cost| *cost <= most)
        };
        let next_request = |requests: &Shares<u64, _>| requests.next(order, cost_of);
        let cost_in = |requests: &Shares<u64, _>| {
            let next = next_request(requests)?;
            cost_of(&requests.0.get(next)?.waiting)
        };
        let tenant = self.tenants.next(order, cost_in)?;
        let requests = &mut self.tenants.0.get_mut(tenant)?.waiting;
        let request = next_request(requests)?;
        let pieces = &mut requests.0.get_mut(request)?.waiting;
        let (cost, work) = pieces.pop_front()?;
        self.events += 1;
        self.taken += 1;
        let done = pieces.is_empty();
        requests.served(request, cost, self.events, done);
        let done = requests.0.is_empty();
        self.tenants.served(tenant, cost, self.events, done);
        Some((cost, work))
    }
}

/// The data that determines the order.
#[derive(Clone, Copy)]
enum Order {
    Cost,
    Age,
}

/// Parties that share a resource, in order of arrival, and the virtual time: the service that the last one taken had
/// received. New parties begin there, so that nobody accumulates a share by being absent.
#[derive(Debug)]
struct Shares<N, T>(Vec<Share<N, T>>, u64);

#[derive(Debug)]
struct Share<N, T> {
    name: N,
    served: u64,
    last: u64,
    waiting: T,
}

impl<N, T> Default for Shares<N, T> {
    fn default() -> Self {
        Self(Vec::new(), 0)
    }
}

impl<N: PartialEq, T: Default> Shares<N, T> {
    /// The work of a party, which may be new. A request adds all of its pieces at once, so the search begins at the end.
    fn of(&mut self, name: N, now: u64) -> &mut T {
        let Self(shares, time) = self;
        let known = shares.iter().rposition(|share| share.name == name);
        let at = known.unwrap_or_else(|| {
            shares.push(Share {
                name,
                served: *time,
                last: now,
                waiting: T::default(),
            });
            shares.len() - 1
        });
        &mut shares[at].waiting
    }

    /// The index of the next one; among equals the first. `cost` returns None for one that must wait.
    fn next(&self, order: Order, cost: impl Fn(&T) -> Option<u64>) -> Option<usize> {
        let shares = self.0.iter().enumerate();
        let keys = shares.filter_map(|(at, share)| {
            let cost = cost(&share.waiting)?;
            let key = match order {
                Order::Cost => share.served.saturating_add(cost),
                Order::Age => share.last,
            };
            Some((at, key))
        });
        keys.min_by_key(|(_, key)| *key).map(|(at, _)| at)
    }

    fn served(&mut self, at: usize, cost: u64, now: u64, done: bool) {
        let Self(shares, time) = self;
        if let Some(share) = shares.get_mut(at) {
            *time = share.served.max(*time);
            share.served = share.served.saturating_add(cost);
            share.last = now;
        }
        if done && at < shares.len() {
            shares.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in which pieces are taken that are put in together: a name each, with its flow and cost.
    fn order(pieces: &[(Flow, u64, char)]) -> String {
        let mut queue = FairQueue::default();
        for (flow, cost, name) in pieces {
            queue.put(*flow, *cost, *name);
        }
        let taken = std::iter::from_fn(|| queue.take(u64::MAX));
        taken.map(|(_, name)| name).collect()
    }

    fn requests<const N: usize>(tenant: u64) -> [Flow; N] {
        [(); N].map(|()| Flow::next(Tenant::new(tenant)))
    }

    #[test]
    fn requests_alternate() {
        let [large, small] = requests(0);
        let pieces = [
            (large, 1, 'L'),
            (large, 1, 'L'),
            (large, 1, 'L'),
            (small, 1, 's'),
            (small, 1, 's'),
        ];
        assert_eq!(order(&pieces), "LsLsL");
    }

    #[test]
    fn tenants_alternate_however_many_requests_they_have() {
        let many: [_; 100] = requests(1);
        let mut pieces: Vec<_> = many.map(|flow| (flow, 1, 'M')).to_vec();
        let [two, one] = requests(2);
        pieces.extend([(two, 1, 'f'), (two, 1, 'f'), (one, 1, 'g')]);
        pieces.push((Flow::next(Tenant::default()), 1, 'n'));
        let order = order(&pieces);
        assert!(order.starts_with("MfnMgMfMM"), "{order}");
        assert_eq!(order.len(), 104);
    }

    #[test]
    fn small_work_overtakes_any_amount_of_large_work_of_the_same_tenant() {
        let large: [_; 100] = requests(0);
        let mut pieces: Vec<_> = large.map(|flow| (flow, 50, 'L')).to_vec();
        let [small] = requests(0);
        pieces.extend([(small, 1, 's'), (small, 1, 's')]);
        assert!(order(&pieces).starts_with("ssLL"));
    }

    #[test]
    fn work_of_each_request_is_served_by_its_cost() {
        let [large, small] = requests(0);
        let mut pieces = vec![(large, 4, 'L'); 50];
        pieces.extend(vec![(small, 1, 's'); 200]);
        let order = order(&pieces);
        let first = &order[..100];
        let large = first.matches('L').count();
        // By cost alone a fifth of the pieces; every fourth goes by age, which alternates.
        assert!((20..=35).contains(&large), "{large} of 100: {order}");
    }

    #[test]
    fn expensive_work_waits_for_its_turn() {
        let [large, small] = requests(0);
        let mut queue = FairQueue::default();
        queue.put(large, 50, 'L');
        queue.put(small, 1, 's');
        assert_eq!(queue.take(10), Some((1, 's')));
        assert_eq!(queue.take(10), None);
        assert_eq!(queue.take(50), Some((50, 'L')));
        assert!(queue.tenants.0.is_empty());
    }

    #[test]
    fn large_work_is_not_delayed_forever() {
        let mut queue = FairQueue::default();
        let large: [_; 1] = requests(0);
        for flow in requests::<8>(0) {
            queue.put(flow, 1, 's');
        }
        queue.put(large[0], 1_000_000, 'L');
        // Eight clients, each of which sends its next small request as soon as one is answered.
        let mut before = 0;
        while queue.take(u64::MAX).is_some_and(|(_, name)| name != 'L') {
            let [next] = requests(0);
            queue.put(next, 1, 's');
            before += 1;
            assert!(before < 100, "small requests overtake forever");
        }
    }

    #[test]
    fn an_absent_tenant_accumulates_no_share() {
        let mut queue = FairQueue::default();
        let [busy] = requests(1);
        for _ in 0..200 {
            queue.put(busy, 1, 'b');
        }
        for _ in 0..100 {
            queue.take(u64::MAX);
        }
        let [late] = requests(2);
        for _ in 0..100 {
            queue.put(late, 1, 'l');
        }
        let next = (0..20).filter_map(|_| queue.take(u64::MAX));
        let next: String = next.map(|(_, name)| name).collect();
        let late = next.matches('l').count();
        assert!((9..=11).contains(&late), "{next}");
    }
}
