//! The file's tables: which keys stand together, in the order in which they are printed.

/// A table of the file.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// What stands between the brackets.
    pub name: &'static str,
    /// What its keys are about.
    pub about: &'static str,
    /// Its keys. No key stands in two tables, since names in the environment leave the table out.
    pub keys: &'static [&'static str],
}

/// All tables. A test compares them with the arguments of `clip-in serve`: what is added there is added here.
pub const TABLES: &[Table] = &[
    Table {
        name: "server",
        about: "The port, and how long things may take on it",
        keys: &[
            "listen",
            "tls_cert",
            "tls_key",
            "header_seconds",
            "request_seconds",
            "unready_seconds",
            "drain_seconds",
        ],
    },
    Table {
        name: "access",
        about: "Who may ask",
        keys: &["api_keys_file", "api_keys", "allowed_hosts", "cors_origins"],
    },
    Table {
        name: "admin",
        about: "Models that are loaded and unloaded while the server runs",
        keys: &["admin", "models_root", "admin_token"],
    },
    Table {
        name: "models",
        about: "What is served",
        keys: &["model", "alias", "precision"],
    },
    Table {
        name: "engine",
        about: "How models are run",
        keys: &[
            "devices",
            "cuda_memory_mib",
            "cuda_tf32",
            "workers",
            "threads_per_worker",
            "prepare_threads",
            "queue",
            "max_batch_images",
            "max_batch_texts",
            "batch_wait_microseconds",
            "batch_buckets",
            "bulk_batch_milliseconds",
            "text_cache_mib",
            "image_cache_mib",
        ],
    },
    Table {
        name: "limits",
        about: "What a request may ask for",
        keys: &[
            "max_body_mib",
            "max_image_mib",
            "max_image_megapixels",
            "max_items",
            "max_requests",
        ],
    },
    Table {
        name: "image_urls",
        about: "Images that the server fetches itself",
        keys: &[
            "image_url_hosts",
            "image_url_networks",
            "image_url_seconds",
            "image_url_fetches",
        ],
    },
    Table {
        name: "labelsets",
        about: "Labels that are described once and asked for by name",
        keys: &["state", "max_labelset_items"],
    },
    Table {
        name: "logging",
        about: "What is logged, to standard error",
        keys: &["log", "log_format"],
    },
    Table {
        name: "tracing",
        about: "Spans of requests, for a collector",
        keys: &["otlp_endpoint"],
    },
];

/// The table of a key.
pub fn table_of(key: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.keys.contains(&key))
}
