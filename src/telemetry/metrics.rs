//! Every metric of the server, with its help text. Names follow Prometheus' conventions; labels have few, known values.

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

use crate::engine::{Lane, Modality};

/// The metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Finished requests by route, status and error code.
    pub requests: IntCounterVec,
    /// Time from the request's head to the answer's head.
    pub request_seconds: HistogramVec,
    /// Requests being worked on.
    pub requests_in_flight: IntGauge,
    queue_depth: [IntGauge; 2],
    queue_seconds: [Histogram; 2],
    batch_size: [Histogram; 2],
    inference_seconds: [Histogram; 2],
    /// Decode, resize and normalise, an image.
    pub decode_seconds: Histogram,
    /// Tokenising, a text.
    pub tokenize_seconds: Histogram,
    /// Pieces of work that wait for the pool that decodes and tokenises.
    pub prepare_pending: IntGauge,
    /// Tokens cut off because a text was longer than the context.
    pub truncated_tokens: IntCounter,
    /// Texts that the cache knew.
    pub text_cache_hits: IntCounter,
    /// Texts that it did not know.
    pub text_cache_misses: IntCounter,
    /// Bytes that it holds.
    pub text_cache_bytes: IntGauge,
    /// Images that the cache knew.
    pub image_cache_hits: IntCounter,
    /// Images that it did not know.
    pub image_cache_misses: IntCounter,
    /// Bytes that it holds.
    pub image_cache_bytes: IntGauge,
    /// Items whose client had gone when their turn came.
    pub cancelled: IntCounter,
    /// Items whose deadline had passed when their turn came.
    pub expired: IntCounter,
    /// Items whose inference failed.
    pub inference_failures: IntCounter,
    /// Images fetched from URLs, by result: `ok`, an error's code, `over_budget`, or `abandoned` with their request.
    pub image_url_fetches: IntCounterVec,
    /// 1 for each loaded model, with its precision, and the device and provider that run it.
    pub model_info: IntGaugeVec,
    /// 1 while the server is ready.
    pub ready: IntGauge,
}

const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
const FINE_SECONDS: &[f64] = &[
    0.000_02, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 5.0,
];
const BATCH_SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// Only if two metrics had the same name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let r = &registry;
        let requests = register(
            r,
            IntCounterVec::new(
                Opts::new(
                    "clip_in_requests_total",
                    "Finished requests by route, HTTP status and error code.",
                ),
                &["route", "status", "code"],
            )?,
        )?;
        let request_seconds = register(
            r,
            HistogramVec::new(
                HistogramOpts::new(
                    "clip_in_request_seconds",
                    "Time from a request's head to its answer's head.",
                )
                .buckets(SECONDS.to_vec()),
                &["route"],
            )?,
        )?;
        let queue_depth = register(
            r,
            IntGaugeVec::new(
                Opts::new("clip_in_queue_items", "Items that wait for a worker."),
                &["lane"],
            )?,
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
        let model_info = register(
            r,
            IntGaugeVec::new(
                Opts::new(
                    "clip_in_model_info",
                    "1 for each loaded model: its precision, and the device and the provider that really run it.",
                ),
                &["model", "precision", "device", "provider"],
            )?,
        )?;
        let image_url_fetches = register(
            r,
            IntCounterVec::new(
                Opts::new(
                    "clip_in_image_url_fetches_total",
                    "Images fetched from URLs: ok, the error's code, over_budget, or abandoned with their request.",
                ),
                &["result"],
            )?,
        )?;
        #[cfg(target_os = "linux")]
        r.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(Self {
            requests,
            request_seconds,
            requests_in_flight: gauge(
                r,
                "clip_in_requests_in_flight",
                "Requests being worked on.",
            )?,
            queue_depth: Lane::ALL.map(|lane| queue_depth.with_label_values(&[lane.name()])),
            queue_seconds: Lane::ALL.map(|lane| queue_seconds.with_label_values(&[lane.name()])),
            batch_size: by_modality(&batch_size),
            inference_seconds: by_modality(&inference_seconds),
            decode_seconds: histogram(
                r,
                "clip_in_decode_seconds",
                "Decoding and resizing one image.",
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
            image_url_fetches,
            model_info,
            ready: gauge(r, "clip_in_ready", "1 while the server is ready.")?,
            registry,
        })
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

    /// The exposition in Prometheus' text format.
    ///
    /// # Errors
    /// Only if a metric is inconsistent in itself.
    pub fn exposition(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    register(registry, IntGauge::new(name, help)?)
}

fn counter(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounter> {
    register(registry, IntCounter::new(name, help)?)
}

fn histogram(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
) -> prometheus::Result<Histogram> {
    register(
        registry,
        Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?,
    )
}

fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    label: &str,
    buckets: &[f64],
) -> prometheus::Result<HistogramVec> {
    register(
        registry,
        HistogramVec::new(
            HistogramOpts::new(name, help).buckets(buckets.to_vec()),
            &[label],
        )?,
    )
}

fn by_modality(histograms: &HistogramVec) -> [Histogram; 2] {
    [Modality::Image, Modality::Text]
        .map(|modality| histograms.with_label_values(&[modality.name()]))
}
