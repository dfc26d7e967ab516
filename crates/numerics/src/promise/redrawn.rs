//! Promises on calibrations that are drawn again and again: scores of both classes are normal, so that the true escape and
//! overkill rates of a pair of thresholds are known.

use fastrand::Rng;
use statrs::distribution::{ContinuousCDF, Normal};

use super::drawn::normal;
use super::{Calibration, CalibrationPart, Class, Declaration, Part, Promise};

/// A line: scores of OK parts have mean 0, those of NG parts `distance`, both the standard deviation 1.
#[derive(Debug, Clone, Copy)]
struct Line {
    auroc: f64,
    ok: usize,
    ng: usize,
    /// Parts of a class in a lot.
    lot: usize,
    /// Share of the variance that all parts of a lot and class have in common.
    alike: f64,
}

/// Who chooses thresholds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Method {
    /// This module, with the lots.
    Lots,
    /// This module, as if each part were a lot of its own.
    Parts,
    /// The empirical quantile of α.
    Quantile,
    /// The conformal quantile, which keeps α on average over calibrations only.
    Conformal,
}

/// What a thousand calibrations did.
#[derive(Debug, Default)]
struct Redrawn {
    /// Calibrations of which a promise is broken.
    broken: usize,
    /// Calibrations of which a promise is infeasible.
    infeasible: usize,
    /// Mean share of the OK parts that go to review.
    review: f64,
}

const ALPHA: f64 = 0.02;
const DELTA: f64 = 0.05;
const DRAWS: usize = 1000;

fn standard() -> Normal {
    Normal::standard()
}

impl Line {
    fn distance(&self) -> f64 {
        std::f64::consts::SQRT_2 * standard().inverse_cdf(self.auroc)
    }

    /// Scores by lot.
    fn class(&self, rng: &mut Rng, mean: f64, parts: usize) -> Vec<(usize, f64)> {
        let mut common = 0.0;
        (0..parts)
            .map(|part| {
                if part % self.lot == 0 {
                    common = normal(rng);
                }
                let own = (1.0 - self.alike).sqrt() * normal(rng);
                (part / self.lot, mean + self.alike.sqrt() * common + own)
            })
            .collect()
    }

    /// Thresholds t_lo and t_hi.
    fn thresholds(&self, rng: &mut Rng, method: Method) -> (Option<f64>, Option<f64>) {
        let ok = self.class(rng, 0.0, self.ok);
        let ng = self.class(rng, self.distance(), self.ng);
        if matches!(method, Method::Quantile | Method::Conformal) {
            let sorted = |scores: &[(usize, f64)], sign: f64| {
                let mut scores: Vec<f64> = scores.iter().map(|(_, score)| sign * score).collect();
                scores.sort_unstable_by(f64::total_cmp);
                scores
            };
            let quantile = |scores: Vec<f64>| {
                let n = scores.len() as f64;
                if method == Method::Conformal {
                    // s < t for at most ⌊α (n + 1)⌋ of the n + 1 scores
                    let below = (ALPHA * (n + 1.0)).floor() as usize;
                    return below.checked_sub(1).map(|place| scores[place]);
                }
                Some(scores[(ALPHA * n) as usize])
            };
            return (
                quantile(sorted(&ng, 1.0)),
                quantile(sorted(&ok, -1.0)).map(|threshold| -threshold),
            );
        }
        let declared = Declaration::new("test", "drawn scores").unwrap();
        let mut parts: Vec<CalibrationPart> = vec![];
        for (class, scores) in [(Class::Ok, ok), (Class::Ng, ng)] {
            for (part, (lot, score)) in scores.into_iter().enumerate() {
                let lot = if method == Method::Lots { lot } else { part };
                let part = Part::labelled(&declared, &lot.to_string(), &[score], class);
                parts.push(part.unwrap().into());
            }
        }
        let promise = Promise::new(ALPHA, ALPHA, DELTA).unwrap();
        let calibrated = Calibration::new(promise, &parts).unwrap().thresholds();
        (calibrated.ok_below(), calibrated.ng_from())
    }

    fn redrawn(&self, method: Method) -> Redrawn {
        self.drawn(method, DRAWS)
    }

    fn drawn(&self, method: Method, draws: usize) -> Redrawn {
        let mut rng = Rng::with_seed(20);
        let mut redrawn = Redrawn::default();
        for _ in 0..draws {
            let (low, high) = self.thresholds(&mut rng, method);
            let escape = low.map_or(0.0, |low| standard().cdf(low - self.distance()));
            let overkill = high.map_or(0.0, |high| standard().sf(high));
            redrawn.broken += usize::from(escape > ALPHA || overkill > ALPHA);
            redrawn.infeasible += usize::from(low.is_none() || high.is_none());
            let (low, high) = (
                low.unwrap_or(f64::NEG_INFINITY),
                high.unwrap_or(f64::INFINITY),
            );
            let share = (standard().cdf(high) - standard().cdf(low)).abs();
            redrawn.review += share / draws as f64;
        }
        redrawn
    }
}

/// As many as δ allows.
const ALLOWED: usize = (DELTA * DRAWS as f64) as usize;

#[test]
fn promises_of_independent_parts_hold_and_those_of_quantiles_do_not() {
    for (ok, ng) in [(300, 300), (1000, 300)] {
        let line = Line {
            auroc: 0.97,
            ok,
            ng,
            lot: 1,
            alike: 0.0,
        };
        let ours = line.redrawn(Method::Lots);
        assert!(
            ours.broken <= ALLOWED && ours.infeasible == 0,
            "{line:?}: {ours:?}"
        );
        // A test that nothing can fail would find these good too.
        for control in [Method::Quantile, Method::Conformal] {
            let naive = line.redrawn(control);
            assert!(
                naive.broken > 6 * ALLOWED,
                "{control:?} of {line:?}: {naive:?}"
            );
        }
    }
}

#[test]
fn promises_hold_where_lots_differ_and_break_if_lots_are_not_told() {
    let line = Line {
        auroc: 0.97,
        ok: 1000,
        ng: 1000,
        lot: 10,
        alike: 0.3,
    };
    let ours = line.redrawn(Method::Lots);
    assert!(
        ours.broken <= ALLOWED && ours.infeasible < DRAWS / 100,
        "{ours:?}"
    );
    let parts = line.redrawn(Method::Parts);
    assert!(parts.broken > ALLOWED * 3 / 2, "{parts:?}");
}

#[test]
fn too_few_parts_or_lots_never_give_a_threshold() {
    let few = Line {
        auroc: 0.97,
        ok: 182,
        ng: 182,
        lot: 1,
        alike: 0.0,
    };
    let few = few.redrawn(Method::Lots);
    assert_eq!((few.infeasible, few.broken), (DRAWS, 0));
    assert!((few.review - 1.0).abs() < 1e-9);
    let alike = Line {
        auroc: 0.97,
        ok: 500,
        ng: 500,
        lot: 25,
        alike: 0.9,
    };
    let alike = alike.redrawn(Method::Lots);
    assert_eq!((alike.infeasible, alike.broken), (DRAWS, 0));
}

/// Shares of OK parts that go to review, as calculated elsewhere (see docs/src/explanation/promises.md).
#[test]
fn how_much_goes_to_review() {
    for (auroc, with_1000, with_300) in [
        (0.93, 0.57, 0.67),
        (0.97, 0.35, 0.47),
        (0.99, 0.15, 0.24),
        (0.998, 0.028, 0.064),
    ] {
        for (ng, expected) in [(1000, with_1000), (300, with_300)] {
            let line = Line {
                auroc,
                ok: 1000,
                ng,
                lot: 1,
                alike: 0.0,
            };
            let review = line.drawn(Method::Lots, 200).review;
            assert!(
                (review - expected).abs() < 0.03,
                "{auroc} {ng}: {review}, not {expected}"
            );
        }
    }
}

#[test]
#[ignore = "a table: cargo test --lib table_of_redrawn -- --ignored --nocapture"]
fn table_of_redrawn_calibrations() {
    println!(
        "| AUROC | OK + NG | in a lot | alike | method | broken | infeasible | OK to review |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (auroc, ok, ng, lot, alike) in [
        (0.97, 300, 300, 1, 0.0),
        (0.97, 1000, 300, 1, 0.0),
        (0.97, 1000, 1000, 1, 0.0),
        (0.93, 1000, 1000, 1, 0.0),
        (0.93, 1000, 300, 1, 0.0),
        (0.99, 1000, 1000, 1, 0.0),
        (0.99, 1000, 300, 1, 0.0),
        (0.998, 1000, 1000, 1, 0.0),
        (0.998, 1000, 300, 1, 0.0),
        (0.99, 300, 300, 1, 0.0),
        (0.998, 300, 300, 1, 0.0),
        (0.97, 300, 300, 15, 0.0),
        (0.97, 300, 300, 15, 0.05),
        (0.97, 300, 300, 15, 0.3),
        (0.97, 1000, 1000, 10, 0.1),
        (0.97, 1000, 1000, 10, 0.3),
        (0.97, 1000, 1000, 50, 0.1),
        (0.97, 1000, 1000, 50, 0.3),
        (0.97, 1000, 1000, 200, 0.1),
        (0.97, 1000, 1000, 200, 0.3),
        (0.97, 3000, 3000, 30, 0.3),
    ] {
        let line = Line {
            auroc,
            ok,
            ng,
            lot,
            alike,
        };
        for method in [
            Method::Lots,
            Method::Parts,
            Method::Conformal,
            Method::Quantile,
        ] {
            let Redrawn {
                broken,
                infeasible,
                review,
            } = line.redrawn(method);
            let percent = |share: f64| format!("{:.1} %", 100.0 * share);
            let of = |count: usize| percent(count as f64 / DRAWS as f64);
            println!(
                "| {auroc} | {ok} + {ng} | {lot} | {alike} | {method:?} | {} | {} | {} |",
                of(broken),
                of(infeasible),
                percent(review)
            );
        }
    }
}
