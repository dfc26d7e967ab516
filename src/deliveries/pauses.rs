//! Pauses between attempts: they double from half a second to a minute, and each is a little shorter or longer, so that
//! servers that lost the same receiver do not come back together.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

/// The pause after so many failures one after another, at least one. `share` from 0 to 1 is drawn: the pause is from 3/4 to
/// 5/4 of its length, and at most the longest.
pub fn pause(failures: u32, share: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let length = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    length
        .mul_f64(0.75 + share.clamp(0.0, 1.0) / 2.0)
        .min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let millis = |failures| pause(failures, 0.5).as_millis();
        let found: Vec<_> = (1..=9).map(millis).collect();
        assert_eq!(
            found,
            [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]
        );
        assert_eq!(pause(u32::MAX, 1.0), LONGEST);
        assert_eq!(pause(0, 0.0), Duration::from_millis(375));
        assert_eq!(pause(1, 1.0), Duration::from_millis(625));
    }
}
