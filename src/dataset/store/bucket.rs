//! A bucket of an object store, through the `object_store` crate; this file adds retries, timeouts and threads.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::SpawnedReqwestConnector;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore,
    ObjectStoreExt, RetryConfig,
};
use tokio::runtime::{Handle, Runtime};

use super::failure::{Faults, told};

/// How long requests to a store are tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Number of retries of a request, with increasing pauses. The rest of an interrupted body is requested again in the
    /// same way.
    retries: usize,
    /// Time of all tries of a request.
    total: Duration,
    connect: Duration,
    /// Longest silence within an answer.
    read: Duration,
    /// Time of a whole body: a block, an image, a part of an upload.
    body: Duration,
}

impl Patience {
    /// Of a run over many items: some 20 seconds for a store that refuses connections.
    pub const RUN: Self = Self {
        retries: 10,
        total: Duration::from_secs(90),
        connect: Duration::from_secs(5),
        read: Duration::from_secs(30),
        body: Duration::from_secs(120),
    };

    /// Of a request whose client waits.
    pub const REQUEST: Self = Self {
        retries: 2,
        total: Duration::from_secs(5),
        connect: Duration::from_secs(1),
        read: Duration::from_secs(5),
        body: Duration::from_secs(10),
    };
}

/// One bucket.
#[derive(Debug)]
pub struct Bucket {
    name: String,
    pub(super) store: AmazonS3,
    faults: Faults,
}

impl Bucket {
    /// # Errors
    /// If the environment's settings contradict each other. No request is sent yet.
    pub fn open(name: &str, faults: Faults, patience: Patience) -> anyhow::Result<Self> {
        // Only the first call in the process has an effect.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(10),
                base: 3.,
            },
            max_retries: patience.retries,
            retry_timeout: patience.total,
        };
        let options = ClientOptions::new()
            .with_connect_timeout(patience.connect)
            .with_read_timeout(patience.read)
            .with_timeout(patience.body);
        // The options come first, because settings of the environment, such as AWS_ALLOW_HTTP, change them.
        let builder = with_environment(AmazonS3Builder::new().with_client_options(options));
        refuse_plain_http(&builder)?;
        let store = builder
            .with_bucket_name(name)
            .with_retry(retry)
            .with_http_connector(SpawnedReqwestConnector::new(handle()?))
            .build()
            .map_err(|error| anyhow!("{error}"))
            .with_context(|| {
                format!("s3://{name} cannot be opened; check the settings AWS_… in the environment")
            })?;
        Ok(Self {
            name: name.to_owned(),
            store,
            faults,
        })
    }

    /// The store itself, for a caller that waits as the rest of its work does.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(self.store.clone())
    }

    /// The URL of an object, for messages.
    pub fn shown(&self, key: &Path) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// Waits for a request. Only for threads that run no other asynchronous work.
    pub fn wait<T>(&self, request: impl Future<Output = T>) -> anyhow::Result<T> {
        Ok(handle()?.block_on(request))
    }

    /// The metadata of an object; None if it does not exist.
    pub async fn look(&self, key: &Path) -> Result<Option<ObjectMeta>, String> {
        match self.store.head(key).await {
            Ok(found) => Ok(Some(found)),
            // For a missing bucket, HEAD gives the same answer as for a missing object; listing tells them apart.
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(&error, key)),
        }
    }

    /// Bytes of an object, or all of it; only if it still has this tag.
    pub async fn read(
        &self,
        key: &Path,
        tag: Option<&str>,
        range: Option<GetRange>,
    ) -> Result<Bytes, String> {
        let options = GetOptions {
            range,
            if_match: tag.map(str::to_owned),
            ..GetOptions::default()
        };
        let read = async { self.store.get_opts(key, options).await?.bytes().await };
        read.await.map_err(|error| self.failed(&error, key))
    }

    /// Removes an object, if it exists.
    ///
    /// # Errors
    /// If the store does not confirm it.
    pub fn remove(&self, key: &Path) -> anyhow::Result<()> {
        if self
            .wait(self.look(key))?
            .map_err(|why| anyhow!(why))?
            .is_none()
        {
            return Ok(());
        }
        let removed = self.wait(self.store.delete(key))?;
        removed.map_err(|error| anyhow!(self.failed(&error, key)))
    }

    /// Records that the store failed, and returns the message.
    pub fn failed(&self, error: &object_store::Error, key: &Path) -> String {
        let what = told(error, &self.shown(key));
        self.faults.note(&what);
        what
    }
}

/// Like the crate's own `from_env`, which cannot begin with options.
fn with_environment(mut builder: AmazonS3Builder) -> AmazonS3Builder {
    for (name, value) in std::env::vars_os() {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
            continue;
        };
        let key = name
            .starts_with("AWS_")
            .then(|| name.to_ascii_lowercase().parse());
        if let Some(Ok(key)) = key {
            builder = builder.with_config(key, value);
        }
    }
    builder
}

/// Reports at once an error that every request would report after its last try.
fn refuse_plain_http(builder: &AmazonS3Builder) -> anyhow::Result<()> {
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    let allowed = builder.get_config_value(&AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    let allowed = allowed
        .is_some_and(|value| matches!(&*value.to_ascii_lowercase(), "true" | "1" | "yes" | "on"));
    if !allowed && endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        bail!(
            "the endpoint in the environment is http://, and what is sent there can be read on the way; set AWS_ALLOW_HTTP=true if that network is trusted"
        );
    }
    Ok(())
}

/// Threads that serve all connections to stores. They end with the process, because other threads may wait for them until
/// then.
pub(super) fn handle() -> anyhow::Result<Handle> {
    static RUNTIME: OnceLock<Result<Arc<Runtime>, String>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store")
            .enable_all()
            .build()
            .map(Arc::new)
            .map_err(|error| error.to_string())
    });
    match runtime {
        Ok(runtime) => Ok(runtime.handle().clone()),
        Err(error) => Err(anyhow!("cannot start a thread: {error}")),
    }
}
