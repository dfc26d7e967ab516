//! Where the ONNX Runtime library is, and the process-wide environment made from it.

use std::path::PathBuf;
use std::sync::OnceLock;

use ort::environment::Environment;

use super::RuntimeError;

/// The library's file name, as `make onnxruntime` writes it on every platform.
const FILE_NAME: &str = "libonnxruntime.so";

/// The library that will be loaded: `ORT_DYLIB_PATH` if it is set, else a library beside the executable, else the one
/// that `make onnxruntime` fetched for this checkout, else whatever the system's loader finds.
pub fn library_path() -> PathBuf {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return PathBuf::from(path);
    }
    let executable = std::env::current_exe().unwrap_or_default();
    let beside = executable
        .ancestors()
        .skip(1)
        .take(1)
        .map(|folder| folder.join(FILE_NAME));
    // target/release/clip-in → the checkout's .cache
    let checkout = executable
        .ancestors()
        .skip(3)
        .take(2)
        .map(|root| root.join(".cache/onnxruntime").join(FILE_NAME));
    beside
        .chain(checkout)
        .find(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(FILE_NAME))
}

/// The environment that every session shares. The library is loaded at the first call.
///
/// # Errors
/// [`RuntimeError::Library`], the same one at every call.
pub fn environment() -> Result<&'static Environment, RuntimeError> {
    static ENVIRONMENT: OnceLock<Result<Environment, String>> = OnceLock::new();
    let loaded = ENVIRONMENT.get_or_init(|| {
        // `init_from` reports a missing library; the lazy way would panic at the first session.
        let builder = ort::init_from(library_path()).map_err(|e| e.to_string())?;
        builder
            .with_name("clip-in")
            .with_telemetry(false)
            .build()
            .map_err(|e| e.to_string())
    });
    loaded.as_ref().map_err(|reason| RuntimeError::Library {
        path: library_path().display().to_string(),
        reason: reason.clone(),
    })
}
