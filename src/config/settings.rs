//! What can be set, once: names, types, ranges, defaults and help. The flags, the environment and the file come of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use super::secret::Secret;
use crate::engine::{Alias, BatchPolicy, EngineSettings};
use crate::images_by_url::{FetchRules, HostList, Networks};
use crate::preprocess::Limits;
use crate::runtime::{CudaSettings, Device};
use crate::telemetry::LogFormat;

/// Settings of `clip-in serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeSettings {
    /// Folder of a bundle to serve. To serve several, give it several times, or separate them by commas (in CLIP_IN_MODEL
    /// too), or list them in the file; the first one answers requests that name no model
    #[arg(
        long = "model",
        env = "CLIP_IN_MODEL",
        default_value = "models/demo",
        value_name = "DIR",
        value_delimiter = ','
    )]
    pub models: Vec<PathBuf>,

    /// Another name by which clients may ask for a model, as NAME=MODEL, such as gpt=clip-in-demo; may stand several times,
    /// or with commas between several
    #[arg(
        long = "alias",
        env = "CLIP_IN_ALIAS",
        value_name = "NAME=MODEL",
        value_delimiter = ','
    )]
    pub aliases: Vec<Alias>,

    /// Address and port to listen on; anything but a loopback address makes the server reachable for others
    #[arg(long, env = "CLIP_IN_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// File with the certificate to show, in PEM, the intermediate ones behind it; then the port speaks HTTPS, and gRPC over
    /// TLS. It and the key are read again when they change
    #[arg(long, env = "CLIP_IN_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// File with the certificate's private key, in PEM without a passphrase
    #[arg(long, env = "CLIP_IN_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Offer the admin routes, which load, replace and unload models while the server runs; needs --models-root
    // A value may follow, so that a flag can also switch off what a file switches on.
    #[arg(
        long,
        env = "CLIP_IN_ADMIN",
        value_name = "BOOL",
        action = ArgAction::Set,
        value_parser = BoolishValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    pub admin: bool,

    /// Folder that holds the models that the admin routes may load; nothing outside it can be loaded
    #[arg(long, env = "CLIP_IN_MODELS_ROOT", value_name = "DIR")]
    pub models_root: Option<PathBuf>,

    /// Token that the admin routes ask for, as `authorization: Bearer …`; needed unless the address is a loopback one. Set
    /// it in the environment: others on this machine can read a command line
    #[arg(
        long,
        env = "CLIP_IN_ADMIN_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub admin_token: Option<Secret>,

    /// File with API keys ([[key]] tables: name, key or sha256, lane, max_requests); read again when it changes
    #[arg(long, env = "CLIP_IN_API_KEYS_FILE", value_name = "FILE")]
    pub api_keys_file: Option<PathBuf>,

    /// API keys as name=key, with commas between several. Set it in the environment: others on this machine can read a
    /// command line
    #[arg(
        long,
        env = "CLIP_IN_API_KEYS",
        hide_env_values = true,
        value_name = "NAME=KEY,…"
    )]
    pub api_keys: Option<Secret>,

    /// Origins whose web pages may call the server from a browser, separated by commas; none by default
    #[arg(long, env = "CLIP_IN_CORS_ORIGINS", value_delimiter = ',')]
    pub cors_origins: Vec<String>,

    /// Hosts beside localhost and loopback addresses by which clients may name a server that listens on a loopback address
    /// and has no API keys, such as the name of a proxy on the same machine
    #[arg(
        long,
        env = "CLIP_IN_ALLOWED_HOSTS",
        value_name = "HOST",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,

    /// Precision to run at: fp32, bf16, fp16, int8, or auto: the fastest that loses at most half a point of the
    /// model's benchmark and stays within 1 - cosine 1e-3
    #[arg(long, env = "CLIP_IN_PRECISION", default_value = "auto")]
    pub precision: String,

    /// What runs the model: cpu, or cards separated by commas, such as cuda:0,cuda:1
    #[arg(
        long,
        env = "CLIP_IN_DEVICES",
        default_value = "cpu",
        value_delimiter = ','
    )]
    pub devices: Vec<Device>,

    /// Most memory of a card that a session takes, in MiB; 0: no limit
    #[arg(long, env = "CLIP_IN_CUDA_MEMORY_MIB", default_value_t = 0)]
    pub cuda_memory_mib: u32,

    /// Let cards multiply fp32 numbers in TF32: faster, and 1 - cosine to the CPU grows
    #[arg(
        long,
        env = "CLIP_IN_CUDA_TF32",
        value_name = "BOOL",
        action = ArgAction::Set,
        value_parser = BoolishValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true"
    )]
    pub cuda_tf32: bool,

    /// Worker threads of a model on each device, each with sessions of its own [default: one a core on the CPU, one a card]
    #[arg(long, env = "CLIP_IN_WORKERS", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub workers: Option<u16>,

    /// Threads inside one session
    #[arg(long, env = "CLIP_IN_THREADS_PER_WORKER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads_per_worker: u16,

    /// Threads that decode, resize and tokenise [default: one a core]
    #[arg(long, env = "CLIP_IN_PREPARE_THREADS", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub prepare_threads: Option<u16>,

    /// Items that may wait in each lane of a model; more is answered with 429
    #[arg(long, env = "CLIP_IN_QUEUE", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub queue: u32,

    /// Most images in a batch [default: 8 on the CPU, 64 on a card]
    #[arg(long, env = "CLIP_IN_MAX_BATCH_IMAGES", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub max_batch_images: Option<u16>,

    /// Most texts in a batch [default: 32 on the CPU, 256 on a card]
    #[arg(long, env = "CLIP_IN_MAX_BATCH_TEXTS", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub max_batch_texts: Option<u16>,

    /// How long a batch waits for company, in microseconds [default: 0 on the CPU, 2000 on a card]
    #[arg(long, env = "CLIP_IN_BATCH_WAIT_MICROSECONDS", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub batch_wait_microseconds: Option<u32>,

    /// Fill batches up to a power of two, so that few shapes occur [default: false on the CPU, true on a card]
    #[arg(long, env = "CLIP_IN_BATCH_BUCKETS")]
    pub batch_buckets: Option<bool>,

    /// Longest time of a bulk batch in milliseconds: what an interactive request may have to wait for
    #[arg(long, env = "CLIP_IN_BULK_BATCH_MILLISECONDS", default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub bulk_batch_milliseconds: u32,

    /// Memory of a model for the embeddings of texts that were sent before, in MiB; 0 switches the cache off
    #[arg(long, env = "CLIP_IN_TEXT_CACHE_MIB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub text_cache_mib: u32,

    /// Memory of a model for the embeddings of images that were sent before, in MiB; 0 switches the cache off
    #[arg(long, env = "CLIP_IN_IMAGE_CACHE_MIB", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub image_cache_mib: u32,

    /// Largest request body in MiB
    #[arg(long, env = "CLIP_IN_MAX_BODY_MIB", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub max_body_mib: u16,

    /// Largest encoded image in MiB
    #[arg(long, env = "CLIP_IN_MAX_IMAGE_MIB", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub max_image_mib: u16,

    /// Largest image in megapixels, read from its header before anything is decoded
    #[arg(long, env = "CLIP_IN_MAX_IMAGE_MEGAPIXELS", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub max_image_megapixels: u16,

    /// Hosts that images may be fetched from when a request names them by URL, separated by commas: example.com,
    /// *.example.com for all below it, example.com:9000 where the port is not the scheme's own; none by default
    #[arg(
        long,
        env = "CLIP_IN_IMAGE_URL_HOSTS",
        value_name = "HOST,…",
        value_delimiter = ','
    )]
    pub image_url_hosts: Vec<String>,

    /// Private networks that those hosts may be in, separated by commas, such as 10.1.0.0/16; by default only public
    /// addresses are connected to
    #[arg(
        long,
        env = "CLIP_IN_IMAGE_URL_NETWORKS",
        value_name = "NETWORK,…",
        value_delimiter = ','
    )]
    pub image_url_networks: Vec<String>,

    /// Seconds that fetching an image may take, redirects included
    #[arg(long, env = "CLIP_IN_IMAGE_URL_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub image_url_seconds: u16,

    /// Images being fetched at the same time; others wait
    #[arg(long, env = "CLIP_IN_IMAGE_URL_FETCHES", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub image_url_fetches: u16,

    /// Folder for what clients leave with the server: label sets. It is made when there is something to keep
    #[arg(
        long,
        env = "CLIP_IN_STATE",
        default_value = "clip-in-state",
        value_name = "DIR"
    )]
    pub state: PathBuf,

    /// Most texts (times templates) and example images in one label set
    #[arg(long, env = "CLIP_IN_MAX_LABELSET_ITEMS", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_labelset_items: u32,

    /// Most items (images and texts together) in one request
    #[arg(long, env = "CLIP_IN_MAX_ITEMS", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_items: u32,

    /// Requests being worked on at the same time, gRPC streams at most half of them; more is answered with 429
    #[arg(long, env = "CLIP_IN_MAX_REQUESTS", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_requests: u32,

    /// Seconds that a connection may be open without a request, or take to send the head of one
    #[arg(long, env = "CLIP_IN_HEADER_SECONDS", default_value_t = 75, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub header_seconds: u16,

    /// Seconds that a request may take, reading its body included; also that a gRPC stream may be silent, and that a client
    /// may take nothing of an answer
    #[arg(long, env = "CLIP_IN_REQUEST_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub request_seconds: u16,

    /// Seconds that a stop says "not ready" and goes on answering before it closes anything: longer than a proxy's health
    /// check takes to notice. 0 where something else has told the proxy before, such as Kubernetes
    #[arg(long, env = "CLIP_IN_UNREADY_SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=3600))]
    pub unready_seconds: u16,

    /// Seconds that a stop waits for accepted requests; more than a request may take, or a stop breaks some off
    #[arg(long, env = "CLIP_IN_DRAIN_SECONDS", default_value_t = 65, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub drain_seconds: u16,

    /// Shape of the log lines
    #[arg(long, env = "CLIP_IN_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug, or a filter such as clip_in=debug,warn
    #[arg(long, env = "CLIP_IN_LOG", default_value = "info")]
    pub log: String,

    /// URL of an OpenTelemetry collector that takes spans by OTLP over gRPC, such as http://127.0.0.1:4317; a span a
    /// request is then sent there. What OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER,
    /// OTEL_EXPORTER_OTLP_HEADERS and OTEL_BSP_… say is heeded
    #[arg(long, env = "CLIP_IN_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

const MIB: usize = 1 << 20;

/// Bytes of bodies that may be in memory, in units of the largest body: a few requests of the worst kind.
const BODIES_IN_FLIGHT: usize = 4;

impl ServeSettings {
    /// How the model is run.
    ///
    /// # Errors
    /// A sentence about devices that cannot be used together.
    pub fn engine(&self) -> Result<EngineSettings, String> {
        let cards = self.devices.iter().filter(|device| **device != Device::Cpu);
        if ![0, self.devices.len()].contains(&cards.count()) || self.devices.is_empty() {
            return Err("--devices: give cpu, or only cards; a model runs on one kind".to_owned());
        }
        let usual = BatchPolicy::of(self.devices[0]);
        Ok(EngineSettings {
            devices: self.devices.clone(),
            workers: self.workers.map(usize::from),
            threads_per_worker: self.threads_per_worker.into(),
            cuda: CudaSettings {
                memory_limit: self.cuda_memory_mib as usize * MIB,
                tf32: self.cuda_tf32,
            },
            queue_capacity: self.queue as usize,
            batching: BatchPolicy {
                images: self.max_batch_images.map_or(usual.images, usize::from),
                texts: self.max_batch_texts.map_or(usual.texts, usize::from),
                bulk_time: Duration::from_millis(self.bulk_batch_milliseconds.into()),
                wait: self
                    .batch_wait_microseconds
                    .map_or(usual.wait, |wait| Duration::from_micros(wait.into())),
                buckets: self.batch_buckets.unwrap_or(usual.buckets),
            },
            image_limits: Limits {
                max_bytes: usize::from(self.max_image_mib) * MIB,
                max_pixels: u64::from(self.max_image_megapixels) * 1_000_000,
                ..Limits::default()
            },
            text_cache_bytes: u64::from(self.text_cache_mib) << 20,
            image_cache_bytes: u64::from(self.image_cache_mib) << 20,
            ..EngineSettings::default()
        })
    }

    /// How images are fetched for requests that name them by URL, from these hosts and networks.
    pub fn image_url_rules(&self, hosts: HostList, networks: Networks) -> FetchRules {
        FetchRules {
            hosts,
            networks,
            time: Duration::from_secs(self.image_url_seconds.into()),
            max_bytes: usize::from(self.max_image_mib) * MIB,
            at_a_time: self.image_url_fetches.into(),
        }
    }

    /// Threads of the pool that decodes and tokenises.
    pub fn prepare_threads(&self) -> usize {
        self.prepare_threads.map_or_else(num_cpus::get, usize::from)
    }

    /// Largest body in bytes.
    pub fn max_body_bytes(&self) -> usize {
        usize::from(self.max_body_mib) * MIB
    }

    /// Bytes of bodies that may be in memory at the same time.
    pub fn bytes_in_flight(&self) -> usize {
        BODIES_IN_FLIGHT * self.max_body_bytes()
    }

    /// Longest time of a request.
    pub fn request_time(&self) -> Duration {
        Duration::from_secs(self.request_seconds.into())
    }

    /// Longest time until the head of a request is there.
    pub fn header_time(&self) -> Duration {
        Duration::from_secs(self.header_seconds.into())
    }

    /// How long a stop says that it is one before it closes anything.
    pub fn unready_time(&self) -> Duration {
        Duration::from_secs(self.unready_seconds.into())
    }

    /// Longest time of a stop, from when it closes what is idle.
    pub fn drain_time(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }
}
