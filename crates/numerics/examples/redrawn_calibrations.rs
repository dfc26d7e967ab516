//! Calibrates lines again and again with parts of a pool of scored ones, by the code that the server calibrates with.
//!
//! The pool stands for the line: its lots are all lots, and each is as frequent as another. So the true escape and overkill
//! of a pair of thresholds are known, and a promise is broken or not. A calibration takes lots at random, each of them
//! possibly more than once, and some parts of each.
//!
//! Reads a [`Task`] as JSON from the standard input, and writes a JSON list with a [`Found`] for each row.
//! `make promises` runs it.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;

use clip_in_numerics::promise::{Calibration, CalibrationPart, Class, Declaration, Part, Promise};
use fastrand::Rng;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Task {
    seed: u64,
    pool: Vec<Scored>,
    rows: Vec<Row>,
}

/// A part of the pool.
#[derive(Deserialize)]
struct Scored {
    class: Class,
    lot: String,
    score: f64,
}

/// Calibrations of one kind.
#[derive(Deserialize)]
struct Row {
    draws: usize,
    /// OK parts of a calibration.
    ok: usize,
    /// NG parts of a calibration.
    ng: usize,
    /// Parts of a class that are taken of each lot.
    of_lot: usize,
    /// Whether the calibration is told which parts are of one lot. Otherwise each part is a lot of its own.
    lots_told: bool,
    escape: f64,
    overkill: f64,
    delta: f64,
}

/// What the calibrations of a row did. Numbers of calibrations, and means over them.
#[derive(Serialize, Default)]
struct Found {
    /// More escape than promised, or more overkill.
    broken: usize,
    escape_broken: usize,
    overkill_broken: usize,
    /// More than promised on the wrong side of t_lo or of t_hi, whatever the other threshold does. Where both classes are
    /// far apart, each threshold catches what the other one lets through, and this is the stricter measure.
    threshold_broken: usize,
    escape_infeasible: usize,
    overkill_infeasible: usize,
    /// Calibrations with a threshold for a promise that they call infeasible.
    thresholds_of_infeasible: usize,
    escape: f64,
    overkill: f64,
    ok_to_review: f64,
    ng_to_review: f64,
    /// How many independent parts the NG and the OK parts are worth.
    ng_worth: f64,
    ok_worth: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let task: Task = serde_json::from_reader(std::io::stdin().lock())?;
    let pool = Pool::new(&task.pool)?;
    let found: Result<Vec<_>, _> = (task.rows.iter())
        .map(|row| pool.redrawn(row, task.seed))
        .collect();
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&found?)?)?;
    Ok(())
}

struct Pool {
    declared: Declaration,
    /// Scores by lot.
    ok: Vec<Vec<f64>>,
    ng: Vec<Vec<f64>>,
    everything: Vec<CalibrationPart>,
}

impl Pool {
    fn new(parts: &[Scored]) -> Result<Self, Box<dyn Error>> {
        let declared = Declaration::new("redrawn_calibrations", "all of the pool");
        let declared = declared.ok_or("no declaration")?;
        let by_lot = |class: Class| {
            let mut lots: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
            for part in parts.iter().filter(|part| part.class == class) {
                lots.entry(&part.lot).or_default().push(part.score);
            }
            lots.into_values().collect::<Vec<_>>()
        };
        let everything: Result<Vec<_>, Box<dyn Error>> = parts
            .iter()
            .map(|part| labelled(&declared, &part.lot, part.score, part.class))
            .collect();
        Ok(Self {
            ok: by_lot(Class::Ok),
            ng: by_lot(Class::Ng),
            everything: everything?,
            declared,
        })
    }

    fn redrawn(&self, row: &Row, seed: u64) -> Result<Found, Box<dyn Error>> {
        let promise = Promise::new(row.escape, row.overkill, row.delta)?;
        let mut rng = Rng::with_seed(seed);
        let mut found = Found::default();
        for _ in 0..row.draws {
            let mut parts = Vec::new();
            for (class, count) in [(Class::Ok, row.ok), (Class::Ng, row.ng)] {
                self.draw(&mut rng, row, class, count, &mut parts)?;
            }
            let calibration = Calibration::new(promise, &parts)?;
            found.add(row, self, &calibration)?;
        }
        Ok(found)
    }

    /// Adds parts of whole lots, or of parts of lots, until there are so many of the class.
    fn draw(
        &self,
        rng: &mut Rng,
        row: &Row,
        class: Class,
        count: usize,
        to: &mut Vec<CalibrationPart>,
    ) -> Result<(), Box<dyn Error>> {
        let lots = match class {
            Class::Ok => &self.ok,
            Class::Ng => &self.ng,
        };
        let mut drawn = 0;
        for lot in 0.. {
            let chosen = rng.choice(lots).ok_or("a class has no part")?;
            let mut chosen = chosen.clone();
            rng.shuffle(&mut chosen);
            for score in chosen.into_iter().take(row.of_lot) {
                if drawn == count {
                    return Ok(());
                }
                let name = if row.lots_told { lot } else { drawn };
                to.push(labelled(&self.declared, &name.to_string(), score, class)?);
                drawn += 1;
            }
        }
        Ok(())
    }
}

impl Found {
    fn add(
        &mut self,
        row: &Row,
        pool: &Pool,
        calibration: &Calibration,
    ) -> Result<(), Box<dyn Error>> {
        let measured = calibration.measure(&pool.everything);
        let rates = measured.rates().ok_or("a class has no part")?;
        let broken = [rates.escape > row.escape, rates.overkill > row.overkill];
        self.escape_broken += usize::from(broken[0]);
        self.overkill_broken += usize::from(broken[1]);
        self.broken += usize::from(broken[0] || broken[1]);
        let thresholds = calibration.thresholds();
        let beyond = |threshold: Option<f64>, lots: &[Vec<f64>], wrong: fn(f64, f64) -> bool| {
            let scores = || lots.iter().flatten();
            let count = threshold.map_or(0, |t| scores().filter(|score| wrong(**score, t)).count());
            count as f64 / scores().count() as f64
        };
        let escape = beyond(thresholds.ok_below(), &pool.ng, |score, t| score < t);
        let overkill = beyond(thresholds.ng_from(), &pool.ok, |score, t| score >= t);
        self.threshold_broken += usize::from(escape > row.escape || overkill > row.overkill);
        for (outcome, threshold, infeasible) in [
            (
                calibration.escape(),
                thresholds.ok_below(),
                &mut self.escape_infeasible,
            ),
            (
                calibration.overkill(),
                thresholds.ng_from(),
                &mut self.overkill_infeasible,
            ),
        ] {
            let is_infeasible = outcome.threshold().is_none();
            *infeasible += usize::from(is_infeasible);
            self.thresholds_of_infeasible += usize::from(is_infeasible && threshold.is_some());
        }
        let share = 1.0 / row.draws as f64;
        self.escape += rates.escape * share;
        self.overkill += rates.overkill * share;
        self.ok_to_review += rates.ok_to_review * share;
        self.ng_to_review += rates.ng_to_review * share;
        self.ng_worth += calibration.sample(Class::Ng).independent * share;
        self.ok_worth += calibration.sample(Class::Ok).independent * share;
        Ok(())
    }
}

fn labelled(
    declared: &Declaration,
    lot: &str,
    score: f64,
    class: Class,
) -> Result<CalibrationPart, Box<dyn Error>> {
    Ok(Part::labelled(declared, lot, &[score], class)?.into())
}
