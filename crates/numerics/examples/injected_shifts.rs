//! After how many parts the monitors of a line see a shift of its scores, and how often they raise a false alarm.
//!
//! The scores are those of real OK parts: of them come the references of the calibration and the parts of the line, whose
//! scores are then shifted by shares of their standard deviation.
//!
//! Reads a [`Task`] as JSON from the standard input, and writes [`Found`] as JSON. `make promises` runs it.

use std::error::Error;
use std::io::Write as _;

use clip_in_numerics::monitors::martingale::{Jumper, PERIOD, References};
use clip_in_numerics::promise::Score;
use clip_in_numerics::promise::drawn::median;
use fastrand::Rng;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Task {
    seed: u64,
    /// Scores of OK parts.
    scores: Vec<f64>,
    /// Number of them in a calibration.
    references: usize,
    /// Shifts, in standard deviations.
    shifts: Vec<f64>,
    /// Parts that are like the references, before the shift.
    quiet: Vec<u64>,
    runs: usize,
}

#[derive(Serialize)]
struct Found {
    /// Share of runs of 10,000 parts without a shift that raise an alarm.
    false_alarms: f64,
    delays: Vec<Delay>,
}

#[derive(Serialize)]
struct Delay {
    shift: f64,
    quiet: u64,
    /// Median number of parts from the shift to the alarm; `None` if most runs raise none within 9,000 parts.
    parts: Option<u64>,
}

const MOST_PARTS: u64 = 9_000;

fn main() -> Result<(), Box<dyn Error>> {
    let task: Task = serde_json::from_reader(std::io::stdin().lock())?;
    let mut rng = Rng::with_seed(task.seed);
    let count = task.scores.len() as f64;
    let mean = task.scores.iter().sum::<f64>() / count;
    let squares = task.scores.iter().map(|score| (score - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count).sqrt();
    let mut alarms = 0;
    for _ in 0..task.runs {
        alarms += usize::from(run(&mut rng, &task, 0, 0.0, PERIOD)?.is_some());
    }
    let mut delays = Vec::new();
    for &quiet in &task.quiet {
        for &shift in &task.shifts {
            let found: Result<Vec<_>, _> = (0..task.runs)
                .map(|_| run(&mut rng, &task, quiet, shift * deviation, MOST_PARTS))
                .collect();
            let parts = median(found?.into_iter().map(|parts| parts.unwrap_or(u64::MAX)));
            delays.push(Delay {
                shift,
                quiet,
                parts: (parts < u64::MAX).then_some(parts),
            });
        }
    }
    let found = Found {
        false_alarms: alarms as f64 / task.runs as f64,
        delays,
    };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&found)?)?;
    Ok(())
}

/// Number of parts from the shift to the alarm. Alarms before the shift are dismissed.
fn run(
    rng: &mut Rng,
    task: &Task,
    quiet: u64,
    shift: f64,
    parts: u64,
) -> Result<Option<u64>, Box<dyn Error>> {
    let score = |rng: &mut Rng, shift: f64| {
        let drawn = rng.choice(&task.scores).ok_or("no scores")?;
        Score::new(drawn + shift).ok_or("a score is not a number")
    };
    let references: Result<Vec<_>, _> = (0..task.references).map(|_| score(rng, 0.0)).collect();
    let mut references = References::new(references?);
    let mut jumper = Jumper::default();
    for part in 0..quiet + parts {
        let score = score(rng, if part < quiet { 0.0 } else { shift })?;
        if jumper.observe(references.rank(score, rng.f64())) {
            if part >= quiet {
                return Ok(Some(part + 1 - quiet));
            }
            jumper.dismiss();
        }
    }
    Ok(None)
}
