//! What rates of decisions mean on a line with a known share of defective parts. None of it is promised: the share of
//! defective parts is declared by a person, and changes.

use super::calibration::Rates;

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Consequences {
    /// NG parts in a million that are decided OK. `None` if none is decided OK.
    pub shipped_ng_ppm: Option<f64>,
    /// Share of good parts among those that are decided NG. `None` if none is decided NG.
    pub good_among_rejected: Option<f64>,
    /// Share of all parts that go to review.
    pub review: f64,
}

impl Consequences {
    /// With `defect_rate` as the share of NG parts among all, from 0 to 1. `None` if it is not.
    pub fn at(defect_rate: f64, rates: &Rates) -> Option<Self> {
        if !(0.0..=1.0).contains(&defect_rate) {
            return None;
        }
        let (ng, ok) = (defect_rate, 1.0 - defect_rate);
        let escaped = ng * rates.escape;
        let rejected_good = ok * rates.overkill;
        let passed_good = ok * (1.0 - rates.overkill - rates.ok_to_review);
        let rejected_ng = ng * (1.0 - rates.escape - rates.ng_to_review);
        let share = |part: f64, other: f64| {
            let (part, other) = (part.max(0.0), other.max(0.0));
            (part + other > 0.0).then(|| part / (part + other))
        };
        Some(Self {
            shipped_ng_ppm: share(escaped, passed_good).map(|share| 1e6 * share),
            good_among_rejected: share(rejected_good, rejected_ng),
            review: ok * rates.ok_to_review + ng * rates.ng_to_review,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(escape: f64, overkill: f64) -> Rates {
        Rates {
            escape,
            overkill,
            ok_to_review: 0.0,
            ng_to_review: 0.0,
        }
    }

    #[test]
    fn the_table_of_consequences() {
        let rows = [
            (0.001, 0.02, 0.02, 20.0, 95.0),
            (0.005, 0.02, 0.02, 103.0, 80.0),
            (0.005, 0.005, 0.005, 25.0, 50.0),
            (0.005, 0.02, 0.001, 101.0, 17.0),
            (0.01, 0.02, 0.02, 206.0, 67.0),
        ];
        for (defects, escape, overkill, ppm, good) in rows {
            let what = Consequences::at(defects, &rates(escape, overkill)).unwrap();
            assert_eq!(what.shipped_ng_ppm.unwrap().round(), ppm);
            assert_eq!((100.0 * what.good_among_rejected.unwrap()).round(), good);
            assert_eq!(what.review, 0.0);
        }
    }

    #[test]
    fn what_goes_to_review_is_neither_shipped_nor_rejected() {
        let rates = Rates {
            escape: 0.1,
            overkill: 0.2,
            ok_to_review: 0.3,
            ng_to_review: 0.4,
        };
        // Of 1000 parts, 100 are NG: 10 escape, 50 are rejected, 40 reviewed. Of 900 OK: 180 rejected, 270 reviewed, 450 passed.
        let what = Consequences::at(0.1, &rates).unwrap();
        assert!((what.shipped_ng_ppm.unwrap() - 1e6 * 10.0 / 460.0).abs() < 1e-6);
        assert!((what.good_among_rejected.unwrap() - 180.0 / 230.0).abs() < 1e-12);
        assert!((what.review - 0.31).abs() < 1e-12);
    }

    #[test]
    fn shares_of_nothing_are_not_numbers() {
        let all = Rates {
            escape: 0.0,
            overkill: 0.0,
            ok_to_review: 1.0,
            ng_to_review: 1.0,
        };
        let what = Consequences::at(0.01, &all).unwrap();
        assert_eq!(
            (what.shipped_ng_ppm, what.good_among_rejected),
            (None, None)
        );
        assert!((what.review - 1.0).abs() < 1e-12);
        assert_eq!(Consequences::at(f64::NAN, &all), None);
        assert_eq!(Consequences::at(1.5, &all), None);
    }
}
