//! ONNX Runtime's telemetry is off: nothing is stored for it, so nothing is sent.

use std::path::Path;

use crate::support::server::{Server, demo, program, success};
use serde_json::json;

#[test]
fn onnx_runtime_stores_no_telemetry_in_the_home_folder() {
    for set in [None, Some("0")] {
        let home = tempfile::tempdir().unwrap();
        let mut command = program();
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--precision",
            "fp32",
            "--model",
        ]);
        command.arg(demo()).env("HOME", home.path());
        // Each of these turns it off, and a test's environment may contain it.
        for name in [
            "ORT_DISABLE_TELEMETRY",
            "ORT_RUNNING_UNIT_TESTS",
            "CI",
            "XDG_CACHE_HOME",
        ] {
            command.env_remove(name);
        }
        if let Some(value) = set {
            command.env("ORT_DISABLE_TELEMETRY", value);
        }
        let server = Server::launch(&mut command);
        success(server.post("/v1/embeddings", &json!({"input": "a red bolt"})));
        let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        let files = Path::new("/proc").join(server.id().to_string()).join("fd");
        for file in std::fs::read_dir(files).unwrap().flatten() {
            let to = std::fs::read_link(file.path()).unwrap_or_default();
            assert!(
                !to.to_string_lossy().contains("onnxruntime.db"),
                "{}",
                to.display()
            );
        }
    }
}
