//! `clip-in model measure`: the speed of the image encoder alone on this machine, by batch size, and its distance from fp32
//! on the CPU. This is the upper limit for a server, and a check of a new machine.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;

use crate::bundle::Bundle;
use crate::engine::{Choice, choices};
use crate::matching::dot;
use crate::preprocess::Pixels;
use crate::runtime::{CudaSettings, Device, Encoders, SessionSettings};

#[derive(Debug, Args)]
pub struct MeasureArguments {
    /// Folder of the bundle
    folder: PathBuf,
    /// Precision to run at
    #[arg(long, default_value = "auto")]
    precision: String,
    /// Device to run on: cpu, or a GPU such as cuda:0
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Number of sessions that run at the same time
    #[arg(long, default_value_t = 1)]
    sessions: usize,
    /// Threads inside a session on the CPU
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Batch sizes, separated by commas
    #[arg(long, default_value = "1,2,4,8", value_delimiter = ',')]
    batches: Vec<usize>,
    /// Seconds for each batch size
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Floating-point operations for an image in 10^9 (two for a multiplication with addition), for the share of the peak
    #[arg(long, requires = "peak_teraflops")]
    gigaflops: Option<f64>,
    /// The device's peak in 10^12 operations per second
    #[arg(long, requires = "gigaflops")]
    peak_teraflops: Option<f64>,
}

/// Number of images whose embeddings are compared with those of the CPU.
const COMPARED: usize = 32;

pub fn run(arguments: &MeasureArguments) -> anyhow::Result<()> {
    if arguments.sessions == 0 || arguments.batches.contains(&0) {
        bail!("--sessions and --batches must be at least 1");
    }
    let bundle = Bundle::open(&arguments.folder)?;
    let choice = choices(&bundle, &arguments.precision, arguments.device)?
        .into_iter()
        .next()
        .context("no variant runs on this device")?;
    let settings = SessionSettings {
        threads: arguments.threads,
        device: arguments.device,
        bf16: choice.bf16(),
        cuda: CudaSettings::default(),
    };
    print_line!(
        "{} {} ({}) on {}, {} x {} threads\n",
        bundle.manifest.name,
        choice.variant.precision,
        settings.provider(),
        arguments.device,
        arguments.sessions,
        arguments.threads
    )?;
    let mut sessions = (0..arguments.sessions)
        .map(|_| Encoders::load(&bundle, &choice.variant, &settings, None))
        .collect::<Result<Vec<_>, _>>()?;
    let share = arguments.gigaflops.zip(arguments.peak_teraflops);
    print_line!(
        "| batch | images/s | ms per batch | CPU ms per image |{}",
        if share.is_some() {
            " share of peak |"
        } else {
            ""
        }
    )?;
    print_line!(
        "|---|---|---|---|{}",
        if share.is_some() { "---|" } else { "" }
    )?;
    for batch in &arguments.batches {
        let speed = time(&mut sessions, *batch, arguments.seconds)?;
        print_out!(
            "| {batch} | {:.1} | {:.2} | {:.2} |",
            speed.images_per_second,
            1e3 * *batch as f64 * arguments.sessions as f64 / speed.images_per_second,
            1e3 * speed.cpu_seconds_per_image
        )?;
        if let Some((gigaflops, peak)) = share {
            print_out!(
                " {:.1} % |",
                speed.images_per_second * gigaflops / peak / 10.0
            )?;
        }
        print_line!()?;
    }
    if arguments.device != Device::Cpu || choice.variant.precision != "fp32" {
        compare(&bundle, &choice, &mut sessions[0], arguments.threads)?;
    }
    Ok(())
}

struct Speed {
    images_per_second: f64,
    cpu_seconds_per_image: f64,
}

/// Runs batches on all sessions at once. The first two do not count, because they allocate memory.
fn time(sessions: &mut [Encoders], batch: usize, seconds: f64) -> anyhow::Result<Speed> {
    for encoders in &mut *sessions {
        let image = encoders.blank();
        for _ in 0..2 {
            encoders.encode_images(&vec![&image; batch], batch)?;
        }
    }
    let (started, cpu) = (Instant::now(), cpu_seconds()?);
    let end = started + Duration::from_secs_f64(seconds);
    let run = |encoders: &mut Encoders| {
        let image = encoders.blank();
        let mut images = 0;
        while Instant::now() < end {
            encoders.encode_images(&vec![&image; batch], batch)?;
            images += batch;
        }
        Ok::<usize, crate::runtime::RuntimeError>(images)
    };
    let counts = std::thread::scope(|scope| {
        let threads: Vec<_> = sessions
            .iter_mut()
            .map(|encoders| scope.spawn(|| run(encoders)))
            .collect();
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(result) => result.map_err(anyhow::Error::from),
                Err(_) => bail!("a session's thread died"),
            })
            .collect::<anyhow::Result<Vec<_>>>()
    })?;
    let images = counts.iter().sum::<usize>() as f64;
    Ok(Speed {
        images_per_second: images / started.elapsed().as_secs_f64(),
        cpu_seconds_per_image: (cpu_seconds()? - cpu) / images,
    })
}

/// CPU time of this process so far.
fn cpu_seconds() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").context("processor time")?;
    // The name in parentheses may hold spaces; utime and stime are the 14th and 15th fields, in 1/100 s.
    let fields = text
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|f| f.parse::<u64>().ok())
        .sum();
    Ok(ticks as f64 / 100.0)
}

/// 1 − cosine to fp32 on the CPU, over images of noise and a few texts of random tokens.
fn compare(
    bundle: &Bundle,
    choice: &Choice,
    encoders: &mut Encoders,
    threads: usize,
) -> anyhow::Result<()> {
    let fp32 = bundle
        .variant("fp32")
        .context("the bundle has no fp32 variant")?;
    let mut reference = Encoders::load(bundle, fp32, &SessionSettings::cpu(threads), None)?;
    let mut random = Noise(1);
    let mut distances = [Vec::new(), Vec::new()];
    for _ in 0..COMPARED {
        let image = random.image(encoders.blank());
        let (a, b) = (
            encoders.encode_images(&[&image], 1)?,
            reference.encode_images(&[&image], 1)?,
        );
        distances[0].push(1.0 - dot(&a[0], &b[0]));
        let text = random.text(&bundle.manifest.text);
        let (a, b) = (
            encoders.encode_texts(&[&text], 1, 0)?,
            reference.encode_texts(&[&text], 1, 0)?,
        );
        distances[1].push(1.0 - dot(&a[0], &b[0]));
    }
    print_line!(
        "\n1 - cosine of {} to fp32 on the CPU:",
        choice.variant.precision
    )?;
    for (name, values) in ["images", "texts"].iter().zip(&distances) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let worst = values.iter().copied().fold(0.0, f64::max);
        print_line!("{name}: worst {worst:.1e}, mean {mean:.1e} ({COMPARED} random ones)")?;
    }
    Ok(())
}

/// A generator of reproducible noise (linear congruential, with the constants of Numerical Recipes).
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 16
    }

    /// Coarse blocks of noise: with fine noise alone all images would look the same to the encoder.
    fn image(&mut self, mut blank: Pixels) -> Pixels {
        match &mut blank {
            Pixels::U8(values) => {
                for block in values.chunks_mut(97) {
                    block.fill((self.next() % 256) as u8);
                }
            }
            Pixels::F32(values) => {
                for block in values.chunks_mut(97) {
                    block.fill(self.next() as f32 / 16_384.0 - 2.0);
                }
            }
        }
        blank
    }

    fn text(&mut self, side: &crate::bundle::TextSide) -> Vec<u32> {
        let length = 3 + self.next() as usize % (side.context_length - 2).max(1);
        let mut ids: Vec<u32> = side.sot_id.into_iter().collect();
        // Small ids exist in every vocabulary.
        ids.extend((ids.len()..length - 1).map(|_| 4 + self.next() % 200));
        ids.push(side.eot_id);
        ids
    }
}
