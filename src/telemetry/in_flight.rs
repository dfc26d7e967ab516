//! What is under way at this moment, counted to its end whatever that is.

use prometheus::IntGauge;

/// Counts in a gauge for as long as it lives: a request whose client leaves ends without another line of its code.
#[derive(Debug)]
pub struct InFlight(IntGauge);

impl InFlight {
    /// One more.
    pub fn of(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
