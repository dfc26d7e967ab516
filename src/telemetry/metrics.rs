//! Every metric of the server, with its help text. Names follow Prometheus' conventions; labels have few known values.

use prometheus::{
    Encoder, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
    TextEncoder,
};

use super::compare_metrics::CompareMetrics;
use super::delivery_metrics::DeliveryMetrics;
use super::gpu_memory::GpuMemory;
use super::labelset_metrics::LabelSetMetrics;
use super::line_metrics::LineMetrics;
use super::memory_limit;
use super::registering::{
    BATCH_SIZES, FINE_SECONDS, SECONDS, counter, counters, gauge, gauges, histogram, histograms,
};
use super::stages::{self, Stage};
use super::tracing_setup::lost_log_lines;
use crate::engine::{Lane, Modality};

/// The metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Finished requests by route, status and error code.
    pub requests: IntCounterVec,
    /// Time from the request's head to the answer's head.
    pub request_seconds: HistogramVec,
    stage_seconds: [Histogram; Stage::ALL.len()],
    /// Requests in progress.
    pub requests_in_flight: IntGauge,
    queue_depth: [IntGauge; 2],
    queue_seconds: [Histogram; 2],
    batch_size: [Histogram; 2],
    inference_seconds: [Histogram; 2],
    wide_batches: [IntCounter; 2],
    /// Images that were alone and whose features ran on a session with more threads.
    pub wide_features: IntCounter,
    /// From the bytes of an image to its pixels.
    pub decode_seconds: Histogram,
    /// From an image's pixels to the encoder's input.
    pub resize_seconds: Histogram,
    /// Tokenising, per text.
    pub tokenize_seconds: Histogram,
    /// Tasks that wait for the pool that decodes and tokenises.
    pub prepare_pending: IntGauge,
    /// Tokens cut off because a text was longer than the context.
    pub truncated_tokens: IntCounter,
    /// Texts that lost tokens.
    pub truncated_texts: IntCounter,
    /// Texts found in the cache.
    pub text_cache_hits: IntCounter,
    /// Texts not found in it.
    pub text_cache_misses: IntCounter,
    /// Bytes in it.
    pub text_cache_bytes: IntGauge,
    /// Images found in the cache.
    pub image_cache_hits: IntCounter,
    /// Images not found in it.
    pub image_cache_misses: IntCounter,
    /// Bytes in it.
    pub image_cache_bytes: IntGauge,
    /// Items whose client had disconnected when they were to run.
    pub cancelled: IntCounter,
    /// Items whose deadline had passed when they were to run.
    pub expired: IntCounter,
    /// Items whose inference failed.
    pub inference_failures: IntCounter,
    lost_log_lines: IntCounter,
    /// Runs for which the device's memory was too small.
    pub out_of_memory: IntCounter,
    /// Sessions that failed and were rebuilt.
    pub sessions_rebuilt: IntCounter,
    /// Images fetched from URLs, by result: `ok`, an error's code, `over_budget`, or `abandoned` with their request.
    pub image_url_fetches: IntCounterVec,
    /// Comparisons with references.
    pub compare: CompareMetrics,
    /// Decisions of label sets.
    pub labelsets: LabelSetMetrics,
    /// Inspection lines.
    pub lines: LineMetrics,
    /// Messages to sinks.
    pub deliveries: DeliveryMetrics,
    /// 1 for each loaded model, with its precision, device and provider.
    pub model_info: IntGaugeVec,
    /// 1 while the server is ready.
    pub ready: IntGauge,
    memory_limit_bytes: IntGauge,
    /// Memory of the watched GPUs.
    pub gpu_memory: GpuMemory,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// Only if two metrics have the same name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let r = &registry;
        let requests = counters(
            r,
            "clip_in_requests_total",
            "Finished requests by route, status (of gRPC, grpc- and its number) and error code, which is empty for a success.",
            &["route", "status", "code"],
        )?;
        let request_seconds = histograms(
            r,
            "clip_in_request_seconds",
            "Time from a request's head to its answer's head.",
            "route",
            SECONDS,
        )?;
        let stage_seconds = histograms(
            r,
            "clip_in_stage_seconds",
            "Time of a request in a stage, of its items the longest: read, prepare, queue, inference, post.",
            "stage",
            FINE_SECONDS,
        )?;
        let queue_depth = gauges(
            r,
            "clip_in_queue_items",
            "Items that wait for a worker.",
            &["lane"],
        )?;
        let queue_seconds = histograms(
            r,
            "clip_in_queue_seconds",
            "Time that an item waited for a worker.",
            "lane",
            FINE_SECONDS,
        )?;
        let batch_size = histograms(
            r,
            "clip_in_batch_items",
            "Items in a batch.",
            "modality",
            BATCH_SIZES,
        )?;
        let inference_seconds = histograms(
            r,
            "clip_in_inference_seconds",
            "Time of one batch in the encoder.",
            "modality",
            FINE_SECONDS,
        )?;
        let wide_batches = counters(
            r,
            "clip_in_wide_batches_total",
            "Batches that were alone and ran on sessions with more threads. Of features, too.",
            &["modality"],
        )?;
        let model_info = gauges(
            r,
            "clip_in_model_info",
            "1 for each loaded model: its precision, and the device and the provider that run it.",
            &["model", "precision", "device", "provider"],
        )?;
        let build_info = gauges(
            r,
            "clip_in_build_info",
            "1, with the server's version.",
            &["version"],
        )?;
        build_info
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        #[cfg(target_os = "linux")]
        r.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(Self {
            requests,
            request_seconds,
            stage_seconds: Stage::ALL.map(|stage| stage_seconds.with_label_values(&[stage.name()])),
            requests_in_flight: gauge(
                r,
                "clip_in_requests_in_flight",
                "Requests being worked on.",
            )?,
            queue_depth: Lane::ALL.map(|lane| queue_depth.with_label_values(&[lane.name()])),
            queue_seconds: Lane::ALL.map(|lane| queue_seconds.with_label_values(&[lane.name()])),
            batch_size: by_modality(&batch_size),
            inference_seconds: by_modality(&inference_seconds),
            wide_features: wide_batches.with_label_values(&["features"]),
            wide_batches: [Modality::Image, Modality::Text]
                .map(|modality| wide_batches.with_label_values(&[modality.name()])),
            decode_seconds: histogram(
                r,
                "clip_in_decode_seconds",
                "Decoding one image, from its bytes to pixels.",
                FINE_SECONDS,
            )?,
            resize_seconds: histogram(
                r,
                "clip_in_resize_seconds",
                "Resizing and normalising one decoded image.",
                FINE_SECONDS,
            )?,
            tokenize_seconds: histogram(
                r,
                "clip_in_tokenize_seconds",
                "Tokenising one text.",
                FINE_SECONDS,
            )?,
            prepare_pending: gauge(
                r,
                "clip_in_prepare_pending",
                "Pieces of work that wait to be decoded or tokenised.",
            )?,
            truncated_tokens: counter(
                r,
                "clip_in_truncated_tokens_total",
                "Tokens cut off because a text was longer than the context.",
            )?,
            truncated_texts: counter(
                r,
                "clip_in_truncated_texts_total",
                "Texts that were longer than the context and lost tokens.",
            )?,
            text_cache_hits: counter(
                r,
                "clip_in_text_cache_hits_total",
                "Texts whose embedding was cached.",
            )?,
            text_cache_misses: counter(
                r,
                "clip_in_text_cache_misses_total",
                "Texts whose embedding had to be computed.",
            )?,
            text_cache_bytes: gauge(
                r,
                "clip_in_text_cache_bytes",
                "Bytes that the cache of text embeddings holds.",
            )?,
            image_cache_hits: counter(
                r,
                "clip_in_image_cache_hits_total",
                "Images whose embedding was in the cache.",
            )?,
            image_cache_misses: counter(
                r,
                "clip_in_image_cache_misses_total",
                "Images whose embedding was not in the cache.",
            )?,
            image_cache_bytes: gauge(
                r,
                "clip_in_image_cache_bytes",
                "Memory that the image cache holds.",
            )?,
            cancelled: counter(
                r,
                "clip_in_cancelled_items_total",
                "Items not run because their client had gone.",
            )?,
            expired: counter(
                r,
                "clip_in_expired_items_total",
                "Items not run because their deadline had passed.",
            )?,
            inference_failures: counter(
                r,
                "clip_in_inference_failures_total",
                "Items whose inference failed.",
            )?,
            lost_log_lines: counter(
                r,
                "clip_in_lost_log_lines_total",
                "Log lines that were not written because the log took no more.",
            )?,
            out_of_memory: counter(
                r,
                "clip_in_out_of_memory_total",
                "Runs of a batch that the device's memory was too small for; the batch is then run in halves.",
            )?,
            sessions_rebuilt: counter(
                r,
                "clip_in_sessions_rebuilt_total",
                "Sessions that died and were rebuilt.",
            )?,
            image_url_fetches: counters(
                r,
                "clip_in_image_url_fetches_total",
                "Images fetched from URLs: ok, the error's code, over_budget, or abandoned with their request.",
                &["result"],
            )?,
            compare: CompareMetrics::new(r)?,
            labelsets: LabelSetMetrics::new(r)?,
            lines: LineMetrics::new(r)?,
            deliveries: DeliveryMetrics::new(r)?,
            model_info,
            ready: gauge(r, "clip_in_ready", "1 while the server is ready.")?,
            memory_limit_bytes: gauge(
                r,
                "clip_in_memory_limit_bytes",
                "Memory that the process may have: what its control group allows, or the machine has.",
            )?,
            gpu_memory: GpuMemory::new(r)?,
            registry,
        })
    }

    /// Adds the stages of the current request, after its answer.
    pub fn observe_stages(&self) {
        stages::end();
        for (stage, time) in stages::times() {
            self.stage_seconds(stage).observe(time.as_secs_f64());
        }
    }

    /// Time of a request in a stage.
    pub fn stage_seconds(&self, stage: Stage) -> &Histogram {
        &self.stage_seconds[stage as usize]
    }

    /// Items that wait, by lane.
    pub fn queue_depth(&self, lane: Lane) -> &IntGauge {
        &self.queue_depth[lane as usize]
    }

    /// Time in the queue, by lane.
    pub fn queue_seconds(&self, lane: Lane) -> &Histogram {
        &self.queue_seconds[lane as usize]
    }

    /// Items in a batch, by modality.
    pub fn batch_size(&self, modality: Modality) -> &Histogram {
        &self.batch_size[modality as usize]
    }

    /// Time of a batch in the encoder, by modality.
    pub fn inference_seconds(&self, modality: Modality) -> &Histogram {
        &self.inference_seconds[modality as usize]
    }

    /// Batches on sessions with more threads, by modality.
    pub fn wide_batches(&self, modality: Modality) -> &IntCounter {
        &self.wide_batches[modality as usize]
    }

    /// The exposition in Prometheus' text format.
    ///
    /// # Errors
    /// Only if a metric is inconsistent.
    pub fn exposition(&self) -> prometheus::Result<Vec<u8>> {
        if let Some(bytes) = memory_limit::bytes() {
            self.memory_limit_bytes
                .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        self.gpu_memory.refresh();
        self.lost_log_lines.reset();
        self.lost_log_lines.inc_by(lost_log_lines());
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

fn by_modality(histograms: &HistogramVec) -> [Histogram; 2] {
    [Modality::Image, Modality::Text]
        .map(|modality| histograms.with_label_values(&[modality.name()]))
}
