//! Plots of a report as SVG: bars with intervals, and lines over text lengths. Fonts are those of the viewer.

use std::path::{Path, PathBuf};

use anyhow::Context;
use plotters::prelude::*;

use super::Report;
use super::report::Metric;

/// Height of a bar with its label, and of the margins, in pixels.
const BAR: usize = 22;
const AROUND: usize = 90;
const WIDTH: u32 = 900;
/// With more bars, no plot is drawn; the JSON has all values.
const MOST_BARS: usize = 120;
const FONT: &str = "sans-serif";

/// Writes `<benchmark>.svg`, and `<benchmark>-lengths.svg` if lengths were scored. Returns their paths.
///
/// # Errors
/// If a file cannot be written.
pub fn write(report: &Report, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let bars = folder.join(format!("{}.svg", report.benchmark));
    save(&bars, draw_bars(report))?;
    let mut written = vec![bars];
    if report.lengths.iter().any(|row| !row.beyond_context) {
        let lines = folder.join(format!("{}-lengths.svg", report.benchmark));
        save(&lines, draw_lines(report))?;
        written.push(lines);
    }
    Ok(written)
}

fn save(path: &Path, drawn: Result<String, String>) -> anyhow::Result<()> {
    let svg = drawn.map_err(anyhow::Error::msg).context("cannot draw")?;
    std::fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))
}

fn title(report: &Report) -> String {
    format!(
        "{}: {} ({})",
        report.benchmark, report.model.name, report.model.precision
    )
}

fn draw_bars(report: &Report) -> Result<String, String> {
    let mut metrics: Vec<(&String, &Metric)> = report.metrics.iter().collect();
    metrics.sort_by_key(|(name, metric)| (name.contains('/'), !metric.headline));
    metrics.truncate(MOST_BARS);
    let count = metrics.len();
    let mut svg = String::new();
    {
        let height = u32::try_from(count * BAR + AROUND).unwrap_or(u32::MAX);
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        let failed = |error: DrawingAreaErrorKind<_>| error.to_string();
        area.fill(&WHITE).map_err(failed)?;
        let longest = metrics.iter().map(|(name, _)| name.chars().count()).max();
        let labels = 20 + 7 * u32::try_from(longest.unwrap_or(0)).unwrap_or(0).min(60);
        let mut chart = ChartBuilder::on(&area)
            .caption(title(report), (FONT, 18))
            .margin(12)
            .y_label_area_size(labels)
            .x_label_area_size(36)
            // The first one is at the top.
            .build_cartesian_2d(0.0..100.0, (count as f64)..0.0)
            .map_err(failed)?;
        let name = |y: &f64| {
            let place = (*y - 0.5).round();
            let on = (*y - 0.5 - place).abs() < 0.01 && place >= 0.0;
            let metric = on.then(|| metrics.get(place as usize)).flatten();
            metric.map_or_else(String::new, |(name, _)| (*name).clone())
        };
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .x_desc("percent, with 95 % intervals")
            .label_style((FONT, 12))
            .y_label_formatter(&name)
            .draw()
            .map_err(failed)?;
        let style = TextStyle::from((FONT, 12).into_font());
        for (place, (name, metric)) in metrics.iter().enumerate() {
            let (top, middle, bottom) =
                (place as f64 + 0.2, place as f64 + 0.5, place as f64 + 0.8);
            let colour = if metric.headline {
                RGBColor(31, 90, 150)
            } else {
                RGBColor(150, 180, 210)
            };
            let bar = Rectangle::new([(0.0, top), (metric.value, bottom)], colour.filled());
            let line = PathElement::new(vec![(metric.low, middle), (metric.high, middle)], BLACK);
            let end = |x| PathElement::new(vec![(x, middle - 0.15), (x, middle + 0.15)], BLACK);
            chart.draw_series([bar]).map_err(failed)?;
            chart
                .draw_series([line, end(metric.low), end(metric.high)])
                .map_err(failed)?;
            let (x, y) = chart.backend_coord(&(0.0, middle));
            let right = plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Right,
                plotters::style::text_anchor::VPos::Center,
            );
            let text = Text::new((*name).clone(), (x - 6, y), style.clone().pos(right));
            area.draw(&text).map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn draw_lines(report: &Report) -> Result<String, String> {
    let rows: Vec<_> = report
        .lengths
        .iter()
        .filter(|row| !row.beyond_context)
        .collect();
    let names: Vec<_> = report
        .metrics
        .iter()
        .filter(|(_, metric)| metric.headline)
        .map(|(name, _)| name)
        .collect();
    let longest = rows.iter().map(|row| row.tokens).max().unwrap_or(1) as f64;
    let slowest = rows
        .iter()
        .filter_map(|row| row.milliseconds_per_text)
        .fold(0.0, f64::max);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 480)).into_drawing_area();
        let failed = |error: DrawingAreaErrorKind<_>| error.to_string();
        area.fill(&WHITE).map_err(failed)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title(report), (FONT, 18))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(48)
            .right_y_label_area_size(56)
            .build_cartesian_2d(0.0..longest * 1.02, 0.0..100.0)
            .map_err(failed)?
            .set_secondary_coord(0.0..longest * 1.02, 0.0..(slowest * 1.1).max(1e-3));
        chart
            .configure_mesh()
            .x_desc("tokens of a text, start and end included")
            .y_desc("percent")
            .label_style((FONT, 12))
            .draw()
            .map_err(failed)?;
        chart
            .configure_secondary_axes()
            .y_desc("milliseconds a text")
            .label_style((FONT, 12))
            .draw()
            .map_err(failed)?;
        let key = |colour: RGBColor| {
            move |(x, y): (i32, i32)| PathElement::new(vec![(x, y), (x + 18, y)], colour)
        };
        for (number, name) in names.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let points = rows
                .iter()
                .filter_map(|row| Some((row.tokens as f64, row.metrics.get(*name)?)));
            let points: Vec<_> = points.collect();
            let line = LineSeries::new(
                points.iter().map(|(x, m)| (*x, m.value)),
                colour.stroke_width(2),
            );
            chart
                .draw_series(line)
                .map_err(failed)?
                .label((*name).clone())
                .legend(key(colour));
            let intervals = points
                .iter()
                .map(|(x, m)| PathElement::new(vec![(*x, m.low), (*x, m.high)], colour));
            chart.draw_series(intervals).map_err(failed)?;
        }
        let grey = RGBColor(120, 120, 120);
        let times = rows
            .iter()
            .filter_map(|row| Some((row.tokens as f64, row.milliseconds_per_text?)));
        chart
            .draw_secondary_series(LineSeries::new(times, grey))
            .map_err(failed)?
            .label("milliseconds (right)")
            .legend(key(grey));
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .label_font((FONT, 12))
            .draw()
            .map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

const COLOURS: [RGBColor; 4] = [
    RGBColor(31, 90, 150),
    RGBColor(200, 80, 40),
    RGBColor(60, 140, 70),
    RGBColor(130, 70, 150),
];
