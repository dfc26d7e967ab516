//! Finds the ONNX Runtime library, and creates its process-wide environment.
//!
//! There are three builds of the library: the plain one, one with the OpenVINO provider (bf16 on CPUs) and one with the CUDA
//! provider. A process loads one of them at its first session.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::RuntimeError;

/// The library's file name, as `make onnxruntime` writes it on every platform.
const FILE_NAME: &str = "libonnxruntime.so";

/// A build of ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Only the CPU provider.
    Plain,
    /// With the OpenVINO provider.
    OpenVino,
    /// With the CUDA provider.
    Cuda,
}

impl Build {
    /// Folder in a checkout's `.cache` or beside the executable, and the make target that creates it.
    fn folder(self) -> &'static str {
        match self {
            Self::Plain => "onnxruntime",
            Self::OpenVino => "onnxruntime-openvino",
            Self::Cuda => "onnxruntime-cuda",
        }
    }

    /// A file beside the library that only this build has.
    fn provider_file(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::OpenVino => Some("libonnxruntime_providers_openvino.so"),
            Self::Cuda => Some("libonnxruntime_providers_cuda.so"),
        }
    }

    /// Whether the library at `path` is (at least) this build.
    fn is_at(self, path: &Path) -> bool {
        let folder = path.parent().unwrap_or(Path::new("."));
        path.is_file()
            && self
                .provider_file()
                .is_none_or(|file| folder.join(file).is_file())
    }
}

/// The library to load for a build: `ORT_DYLIB_PATH` if it is set and is that build, else one in a folder beside the
/// executable, else the one that make downloaded for this checkout. `None` if there is none.
pub fn find_library(build: Build) -> Option<PathBuf> {
    let named = std::env::var_os("ORT_DYLIB_PATH")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    if build == Build::Plain && named.is_some() {
        return named; // even if it is missing: the error then names it
    }
    let executable = std::env::current_exe().unwrap_or_default();
    let beside = executable.ancestors().skip(1).take(1).flat_map(|folder| {
        [
            folder.join(FILE_NAME),
            folder.join(build.folder()).join(FILE_NAME),
        ]
    });
    // target/release/clip-in → the checkout's .cache
    let checkout = executable
        .ancestors()
        .skip(3)
        .take(2)
        .map(|root| root.join(".cache").join(build.folder()).join(FILE_NAME));
    named
        .into_iter()
        .chain(beside)
        .chain(checkout)
        .find(|path| build.is_at(path))
}

struct Loaded {
    path: PathBuf,
    environment: Result<Environment, String>,
}

/// The environment that all sessions share. The library is loaded at the first call, which determines the build.
///
/// # Errors
/// [`RuntimeError::Library`], the same one at every call; [`RuntimeError::Build`] if this build is not available, or if the
/// process has already loaded another one without its provider.
pub fn environment(build: Build) -> Result<&'static Environment, RuntimeError> {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    let missing = |reason: String| RuntimeError::Build {
        provider: build.folder(),
        reason,
    };
    if LOADED.get().is_none() && build != Build::Plain && find_library(build).is_none() {
        let target = build.folder();
        return Err(missing(format!("run `make {target}`")));
    }
    let loaded = LOADED.get_or_init(|| {
        // Without a path, the system's loader searches for it.
        let path = find_library(build).unwrap_or_else(|| PathBuf::from(FILE_NAME));
        if build == Build::Cuda {
            preload_neighbours(&path);
        }
        // `init_from` reports a missing library; lazy loading would panic at the first session.
        let environment = ort::init_from(&path)
            .map_err(|e| e.to_string())
            .and_then(|builder| {
                builder
                    .with_name("clip-in")
                    .with_telemetry(false)
                    .with_logger(Arc::new(log))
                    .build()
                    .map_err(|e| e.to_string())
            })
            .inspect(|environment| environment.set_log_level(LogLevel::Error));
        tracing::debug!(path = %path.display(), "ONNX Runtime");
        Loaded { path, environment }
    });
    let path = || loaded.path.display().to_string();
    match &loaded.environment {
        Err(reason) => Err(RuntimeError::Library {
            path: path(),
            reason: reason.clone(),
        }),
        Ok(_) if build != Build::Plain && !build.is_at(&loaded.path) => Err(missing(format!(
            "this process has already loaded {}; give the model that needs the other build first",
            path()
        ))),
        Ok(environment) => Ok(environment),
    }
}

/// Forwards ONNX Runtime's own log to this program's log: by default it writes to standard error in its own format, and
/// blocks. Its errors are also returned to the caller, so they are not logged as errors of the server.
fn log(level: LogLevel, _category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Fatal => tracing::error!(target: "onnxruntime", location, "{message}"),
        LogLevel::Error => tracing::warn!(target: "onnxruntime", location, "{message}"),
        _ => tracing::trace!(target: "onnxruntime", location, "{message}"),
    }
}

/// Loads the CUDA libraries beside ONNX Runtime, so that its provider finds them without `LD_LIBRARY_PATH`. A missing one
/// may be installed on the system; if it is not, the provider reports it.
fn preload_neighbours(library: &Path) {
    let folder = library.parent().unwrap_or(Path::new("."));
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut left: Vec<PathBuf> = files
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.contains(".so.") && name.starts_with("lib"))
        })
        .collect();
    // They depend on each other, in an order that changes with the version.
    loop {
        let before = left.len();
        left.retain(|path| ort::util::preload_dylib(path).is_err());
        if left.is_empty() || left.len() == before {
            break;
        }
    }
    if !left.is_empty() {
        tracing::debug!(?left, "not preloaded");
    }
}
