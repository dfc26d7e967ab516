//! Counts work in flight until it ends, for any reason.

use prometheus::IntGauge;

/// Increments a gauge for as long as it lives, because a request whose client leaves ends without running further code.
#[derive(Debug)]
pub struct InFlight(IntGauge);

impl InFlight {
    /// Increments the gauge.
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
