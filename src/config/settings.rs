//! The table of settings: names, types, ranges, defaults and help. The flags, the environment, the file, its checks and its
//! reference are built from it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use super::alias::Alias;
use super::secret::Secret;
use super::tables::{Key, Table};
use crate::preprocess::Alpha;
use crate::runtime::Device;
use crate::telemetry::LogFormat;

/// Converts rows `key: type as integer in low..=high;`, in tables of the file, to the arguments of clap and to [`TABLES`].
macro_rules! settings {
    ($([$table:ident] $about:literal {$(
        $(#[$meta:meta])*
        $key:ident: $type:ty $(as $int:ident in $low:literal..=$high:literal)?;
    )*})*) => {
        /// Settings of `clip-in serve`.
        // The fields' comments are the help texts, in which brackets are not links.
        #[allow(rustdoc::broken_intra_doc_links)]
        #[derive(Debug, Clone, Args)]
        pub struct ServeSettings {$($(
            $(#[$meta])*
            #[arg(long $(, value_parser = clap::value_parser!($int).range($low..=$high))?)]
            pub $key: $type,
        )*)*}

        /// All tables of the file, in the order of printing.
        pub const TABLES: &[Table] = &[$(Table {
            name: stringify!($table),
            about: $about,
            keys: &[$(Key {
                name: stringify!($key),
                range: &[$(($low, $high))?],
            },)*],
        },)*];
    };
}

settings! {
    [server] "The port, and how long things may take on it" {
        /// Address and port to listen on. Other machines can reach the server unless this is a loopback address
        #[arg(env = "CLIP_IN_LISTEN", default_value = "127.0.0.1:8080")]
        listen: SocketAddr;

        /// File with the server's certificate, in PEM, followed by the intermediate ones. The port then speaks HTTPS, and gRPC
        /// over TLS. Certificate and key are read again when they change
        #[arg(env = "CLIP_IN_TLS_CERT", value_name = "FILE")]
        tls_cert: Option<PathBuf>;

        /// File with the certificate's private key, in PEM without a passphrase
        #[arg(env = "CLIP_IN_TLS_KEY", value_name = "FILE")]
        tls_key: Option<PathBuf>;

        /// Seconds that a connection may be open without a request, or may take to send the head of one
        #[arg(env = "CLIP_IN_HEADER_SECONDS", default_value_t = 75)]
        header_seconds: u16 as u16 in 1..=3600;

        /// Seconds that a request may take, including the reading of its body. Also the time that a gRPC stream may be idle, and
        /// that a client may take nothing of an answer
        #[arg(env = "CLIP_IN_REQUEST_SECONDS", default_value_t = 60)]
        request_seconds: u16 as u16 in 1..=3600;

        /// Seconds for which a stopping server reports "not ready" and still answers, before it closes anything: longer than a
        /// proxy's health check takes to notice. 0 where the proxy knows already, as in Kubernetes
        #[arg(env = "CLIP_IN_UNREADY_SECONDS", default_value_t = 0)]
        unready_seconds: u16 as u16 in 0..=3600;

        /// Seconds that a stop waits for accepted requests. It should be longer than a request may take, or a stop interrupts some
        #[arg(env = "CLIP_IN_DRAIN_SECONDS", default_value_t = 65)]
        drain_seconds: u16 as u16 in 1..=3600;
    }

    [access] "Who may call the server" {
        /// File with API keys ([[key]] tables: name, key or sha256, lane, max_requests, roles); read again when it changes
        #[arg(env = "CLIP_IN_API_KEYS_FILE", value_name = "FILE")]
        api_keys_file: Option<PathBuf>;

        /// API keys as name=key, with commas between several. Set it in the environment: others on this machine can read a
        /// command line
        #[arg(env = "CLIP_IN_API_KEYS", hide_env_values = true, value_name = "NAME=KEY,…")]
        api_keys: Option<Secret>;

        /// Host names, beside localhost and loopback addresses, by which clients may call a server that listens on a loopback
        /// address and has no API keys, such as the name of a proxy on the same machine
        #[arg(env = "CLIP_IN_ALLOWED_HOSTS", value_name = "HOST", value_delimiter = ',')]
        allowed_hosts: Vec<String>;

        /// Origins whose web pages may call the server from a browser, separated by commas; none by default
        #[arg(env = "CLIP_IN_CORS_ORIGINS", value_delimiter = ',')]
        cors_origins: Vec<String>;
    }

    [admin] "Models that are loaded and unloaded while the server runs" {
        /// Offer the admin routes, which load, replace and unload models while the server runs; needs --models-root
        // The flag may have a value, so that it can also switch off what a file switches on.
        #[arg(env = "CLIP_IN_ADMIN", value_name = "BOOL", action = ArgAction::Set, value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
        admin: bool;

        /// Folder of the models that the admin routes may load; nothing outside of it can be loaded
        #[arg(env = "CLIP_IN_MODELS_ROOT", value_name = "DIR")]
        models_root: Option<PathBuf>;

        /// Token for the admin routes, sent as `authorization: Bearer …`; required unless the address is a loopback one. Set it
        /// in the environment: others on this machine can read a command line
        #[arg(env = "CLIP_IN_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
        admin_token: Option<Secret>;
    }

    [models] "What is served" {
        /// Folder of a bundle to serve. To serve several, give it several times, or separate them by commas (in CLIP_IN_MODEL
        /// too), or list them in the file; the first one answers requests that name no model
        #[arg(env = "CLIP_IN_MODEL", default_value = "models/demo", value_name = "DIR", value_delimiter = ',')]
        model: Vec<PathBuf>;

        /// Another name for a model, as NAME=MODEL, such as gpt=clip-in-demo; may be repeated, or separated by commas
        #[arg(env = "CLIP_IN_ALIAS", value_name = "NAME=MODEL", value_delimiter = ',')]
        alias: Vec<Alias>;

        /// Precision to run at: fp32, bf16, fp16, int8, or auto: the fastest that loses at most half a point of the
        /// model's benchmark and stays within 1 - cosine 1e-3
        #[arg(env = "CLIP_IN_PRECISION", default_value = "auto")]
        precision: String;
    }

    [engine] "How models are run" {
        /// What runs the model: cpu, or cards separated by commas, such as cuda:0,cuda:1
        #[arg(env = "CLIP_IN_DEVICES", default_value = "cpu", value_delimiter = ',')]
        devices: Vec<Device>;

        /// Most memory of a card that a session may take, in MiB; 0 for no limit
        #[arg(env = "CLIP_IN_CUDA_MEMORY_MIB", default_value_t = 0)]
        cuda_memory_mib: u32 as u32 in 0..=4_294_967_295;

        /// Let cards multiply fp32 numbers in TF32: faster, but 1 - cosine to the CPU grows
        #[arg(env = "CLIP_IN_CUDA_TF32", value_name = "BOOL", action = ArgAction::Set, value_parser = BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
        cuda_tf32: bool;

        /// Worker threads of a model on each device, each with its own sessions [default: one for each core, one for each card]
        #[arg(env = "CLIP_IN_WORKERS")]
        workers: Option<u16> as u16 in 1..=512;

        /// Threads inside one session
        #[arg(env = "CLIP_IN_THREADS_PER_WORKER", default_value_t = 1)]
        threads_per_worker: u16 as u16 in 1..=256;

        /// Threads of the additional sessions that run a batch on the CPU while nothing else runs or waits, if they are faster;
        /// 1 for no such sessions [default: one for each core if the workers have their defaults, otherwise 1]
        #[arg(env = "CLIP_IN_WIDE_THREADS")]
        wide_threads: Option<u16> as u16 in 1..=256;

        /// Threads that decode, resize and tokenise [default: one for each core]
        #[arg(env = "CLIP_IN_PREPARE_THREADS")]
        prepare_threads: Option<u16> as u16 in 1..=512;

        /// Items that may wait in each lane of a model; further ones are answered with 429
        #[arg(env = "CLIP_IN_QUEUE", default_value_t = 1024)]
        queue: u32 as u32 in 1..=1_000_000;

        /// Most images in a batch [default: 8 on the CPU, 64 on a card]
        #[arg(env = "CLIP_IN_MAX_BATCH_IMAGES")]
        max_batch_images: Option<u16> as u16 in 1..=4096;

        /// Most texts in a batch [default: 32 on the CPU, 256 on a card]
        #[arg(env = "CLIP_IN_MAX_BATCH_TEXTS")]
        max_batch_texts: Option<u16> as u16 in 1..=4096;

        /// How long a batch waits for more items, in microseconds [default: 0 on the CPU, 2000 on a card]
        #[arg(env = "CLIP_IN_BATCH_WAIT_MICROSECONDS")]
        batch_wait_microseconds: Option<u32> as u32 in 0..=1_000_000;

        /// Pad batches to a power of two, so that few shapes occur [default: false on the CPU, true on a card]
        #[arg(env = "CLIP_IN_BATCH_BUCKETS")]
        batch_buckets: Option<bool>;

        /// Longest time of a bulk batch in milliseconds: what an interactive request may have to wait for
        #[arg(env = "CLIP_IN_BULK_BATCH_MILLISECONDS", default_value_t = 150)]
        bulk_batch_milliseconds: u32 as u32 in 1..=60_000;

        /// Memory of a model for the embeddings of texts that were sent before, in MiB; 0 switches the cache off
        #[arg(env = "CLIP_IN_TEXT_CACHE_MIB", default_value_t = 64)]
        text_cache_mib: u32 as u32 in 0..=1_000_000;

        /// Memory of a model for the embeddings of images that were sent before, in MiB; 0 switches the cache off
        #[arg(env = "CLIP_IN_IMAGE_CACHE_MIB", default_value_t = 0)]
        image_cache_mib: u32 as u32 in 0..=1_000_000;
    }

    [limits] "What a request may cost" {
        /// Largest request body in MiB
        #[arg(env = "CLIP_IN_MAX_BODY_MIB", default_value_t = 64)]
        max_body_mib: u16 as u16 in 1..=4096;

        /// Largest encoded image in MiB
        #[arg(env = "CLIP_IN_MAX_IMAGE_MIB", default_value_t = 20)]
        max_image_mib: u16 as u16 in 1..=4096;

        /// Largest image in megapixels, read from its header before anything is decoded
        #[arg(env = "CLIP_IN_MAX_IMAGE_MEGAPIXELS", default_value_t = 50)]
        max_image_megapixels: u16 as u16 in 1..=1000;

        /// Most items (images and texts together) in one request
        #[arg(env = "CLIP_IN_MAX_ITEMS", default_value_t = 2048)]
        max_items: u32 as u32 in 1..=100_000;

        /// Requests in progress at the same time, of which at most half may be gRPC streams; further ones are answered with 429
        #[arg(env = "CLIP_IN_MAX_REQUESTS", default_value_t = 1024)]
        max_requests: u32 as u32 in 1..=100_000;
    }

    [images] "How images are read, where a request leaves it open" {
        /// Turn images as their EXIF data says, unless the request or its label set decides [default: as the model's manifest
        /// says]
        #[arg(env = "CLIP_IN_EXIF_ORIENTATION", value_name = "BOOL")]
        exif_orientation: Option<bool>;

        /// How transparency is treated, unless the request or its label set decides
        #[arg(env = "CLIP_IN_ALPHA", value_enum, default_value = "drop")]
        alpha: Alpha;

        /// How many low bits of 16-bit images hold the value, unless the request or its label set decides [default: those of a
        /// PNG's sBIT chunk, or all 16]
        #[arg(env = "CLIP_IN_VALUE_BITS")]
        value_bits: Option<u8> as u8 in 8..=16;
    }

    [image_urls] "Images that the server fetches itself" {
        /// Hosts from which images may be fetched by URL, separated by commas: example.com, *.example.com for all below it,
        /// example.com:9000 for another port than the scheme's own; none by default
        #[arg(env = "CLIP_IN_IMAGE_URL_HOSTS", value_name = "HOST,…", value_delimiter = ',')]
        image_url_hosts: Vec<String>;

        /// Private networks in which those hosts may be, separated by commas, such as 10.1.0.0/16; by default only public
        /// addresses are allowed
        #[arg(env = "CLIP_IN_IMAGE_URL_NETWORKS", value_name = "NETWORK,…", value_delimiter = ',')]
        image_url_networks: Vec<String>;

        /// Seconds that fetching an image may take, redirects included; half of them for a connection
        #[arg(env = "CLIP_IN_IMAGE_URL_SECONDS", default_value_t = 5)]
        image_url_seconds: u16 as u16 in 1..=3600;

        /// Images being fetched at the same time; others wait
        #[arg(env = "CLIP_IN_IMAGE_URL_FETCHES", default_value_t = 32)]
        image_url_fetches: u16 as u16 in 1..=1024;
    }

    [labelsets] "Labels that are described once and used by name" {
        /// Folder in which the server keeps label sets, references and inspections. It is created when there is something to keep
        #[arg(env = "CLIP_IN_STATE", default_value = "clip-in-state", value_name = "DIR")]
        state: PathBuf;

        /// Most texts (times templates) and example images in one label set
        #[arg(env = "CLIP_IN_MAX_LABELSET_ITEMS", default_value_t = 20_000)]
        max_labelset_items: u32 as u32 in 1..=1_000_000;
    }

    [references] "Images of good parts that others are compared with, by name" {
        /// Most images in one reference
        #[arg(env = "CLIP_IN_MAX_REFERENCE_IMAGES", default_value_t = 256)]
        max_reference_images: u32 as u32 in 1..=4096;

        /// Most MiB of all references together: their images, and 8 MiB of each for what is learnt of them
        #[arg(env = "CLIP_IN_MAX_REFERENCES_MIB", default_value_t = 1024)]
        max_references_mib: u32 as u32 in 16..=1_048_576;
    }

    [lines] "Inspection lines, which are kept in the folder of `state`" {
        /// URL of a PostgreSQL database, which several servers may share, postgres://USER:PASSWORD@HOST/NAME: for inspections and
        /// verdicts, label sets and references. By default the first two are in SQLite in the folder of `state`, and the others
        /// in files
        #[arg(env = "CLIP_IN_DATABASE", value_name = "URL", hide_env_values = true)]
        database: Option<Secret>;

        /// Where images of inspections are: s3://BUCKET/PATH in an object store, with the settings AWS_… of the environment, or a
        /// folder. Servers that share a database need the same. By default they are in the folder of `state`
        #[arg(env = "CLIP_IN_INSPECTION_IMAGES", value_name = "PLACE")]
        inspection_images: Option<PathBuf>;

        /// File with sinks ([[sink]] tables: name, kind, and where it is), to which decisions and verdicts of lines are sent:
        /// webhooks, brokers of MQTT, folders
        #[arg(env = "CLIP_IN_SINKS", value_name = "FILE")]
        sinks: Option<PathBuf>;

        /// Seconds between two searches for images that are older than `retention_days` of their line
        #[arg(env = "CLIP_IN_RETENTION_CHECK_SECONDS", default_value_t = 3600)]
        retention_check_seconds: u32 as u32 in 1..=86_400;
    }

    [logging] "What is logged, to standard error" {
        /// What is logged: error, warn, info, debug, or a filter such as clip_in=debug,warn
        #[arg(env = "CLIP_IN_LOG", default_value = "info")]
        log: String;

        /// Shape of the log lines
        #[arg(env = "CLIP_IN_LOG_FORMAT", default_value = "text")]
        log_format: LogFormat;
    }

    [tracing] "Spans of requests, for a collector" {
        /// URL of an OpenTelemetry collector that takes spans by OTLP over gRPC, such as http://127.0.0.1:4317. One span for each
        /// request is sent to it. OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER,
        /// OTEL_EXPORTER_OTLP_HEADERS and OTEL_BSP_… are read
        #[arg(env = "CLIP_IN_OTLP_ENDPOINT", value_name = "URL")]
        otlp_endpoint: Option<String>;
    }
}
