//! Features of images: a real graph, cut at stride 8 (`fixtures/features`), in a copy of the demo bundle.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clip_in::engine::{
    CpuPool, EmbedOptions, EngineError, EngineSettings, FeaturesError, ImageSource, Model,
};
use clip_in::runtime::FeatureMap;
use clip_in::telemetry::Metrics;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::server::models::{bundle, without_features};
use crate::support::server::{demo, program};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/features");

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(FIXTURES).join(name)).unwrap()
}

fn golden() -> Value {
    serde_json::from_slice(&fixture("golden.json")).unwrap()
}

/// The demo bundle with features, and with these golden values and changes of the manifest.
fn with_features(folder: &Path, golden: &Value, change: impl FnOnce(&mut Value)) -> PathBuf {
    let digest = |bytes: &[u8]| {
        let hex = Sha256::digest(bytes);
        json!(hex.iter().map(|b| format!("{b:02x}")).collect::<String>())
    };
    let (graph, golden) = (fixture("features.onnx"), golden.to_string());
    let root = bundle(folder, |manifest| {
        manifest["features"] = serde_json::from_slice(&fixture("section.json")).unwrap();
        manifest["files"]["features.onnx"] = digest(&graph);
        manifest["files"]["golden/features.json"] = digest(golden.as_bytes());
        change(manifest);
    });
    fs::write(root.join("features.onnx"), graph).unwrap();
    fs::write(root.join("golden/features.json"), golden).unwrap();
    root
}

fn load(root: &Path) -> Arc<Model> {
    let metrics = Arc::new(Metrics::new().unwrap());
    let pool = CpuPool::new(2, metrics.clone()).unwrap();
    let settings = EngineSettings {
        workers: Some(1),
        ..EngineSettings::default()
    };
    Model::load(root, "fp32", &settings, pool, metrics).unwrap()
}

fn image(file: &str) -> ImageSource {
    ImageSource::Bytes(Bytes::from(fs::read(demo().join(file)).unwrap()))
}

async fn features(
    model: &Model,
    file: &str,
    size: Option<[usize; 2]>,
) -> Result<Vec<FeatureMap>, FeaturesError> {
    let options = EmbedOptions::default();
    model.features(image(file), size, options).await
}

fn shapes(maps: &[FeatureMap]) -> Vec<[usize; 4]> {
    maps.iter()
        .map(|map| {
            let values = map.output.channels * map.rows * map.columns;
            assert_eq!(map.values.len(), values);
            [
                map.output.stride,
                map.output.channels,
                map.rows,
                map.columns,
            ]
        })
        .collect()
}

#[tokio::test]
async fn features_are_those_of_the_export() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&with_features(folder.path(), &golden(), |_| {}));
    for golden in golden()["images"].as_array().unwrap() {
        let size: [usize; 2] = serde_json::from_value(golden["size"].clone()).unwrap();
        let file = golden["file"].as_str().unwrap();
        let maps = features(&model, file, Some(size)).await.unwrap();
        assert_eq!(maps.len(), 2);
        for map in maps {
            let sampled = &golden["outputs"][&map.output.name];
            let indices: Vec<usize> = serde_json::from_value(sampled["indices"].clone()).unwrap();
            let values: Vec<f32> = serde_json::from_value(sampled["values"].clone()).unwrap();
            assert_eq!((indices.len(), values.len()), (64, 64));
            for (index, expected) in indices.into_iter().zip(values) {
                let found = map.values[index];
                let off = (found - expected).abs();
                assert!(off < 1e-3, "{file}: {found} instead of {expected}");
            }
        }
    }
}

#[tokio::test]
async fn the_size_is_free_and_has_a_default() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&with_features(folder.path(), &golden(), |_| {}));
    let file = "golden/1.png";
    let default = features(&model, file, None).await.unwrap();
    assert_eq!(shapes(&default), [[4, 144, 56, 56], [8, 40, 28, 28]]);
    assert_eq!((default[0].output.offset, default[1].output.offset), (3, 7));
    let flat = features(&model, file, Some([64, 160])).await.unwrap();
    assert_eq!(shapes(&flat), [[4, 144, 16, 40], [8, 40, 8, 20]]);

    for size in [
        [100, 104],
        [24, 64],
        [0, 64],
        [1032, 1024],
        [usize::MAX - 7, 8],
    ] {
        let error = features(&model, file, Some(size)).await.unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, FeaturesError::Size(_)), "{size:?}: {said}");
        assert!(said.contains("multiples of 8 and at least 32"), "{said}");
    }
    let broken = ImageSource::Bytes(Bytes::from_static(b"GIF89a"));
    let error = model.features(broken, None, EmbedOptions::default()).await;
    assert!(matches!(error, Err(FeaturesError::Image(_))), "{error:?}");
}

/// Many images of two sizes at a time share batches, and get what each of them gets alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_gives_what_its_images_give_alone() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&with_features(folder.path(), &golden(), |_| {}));
    let jobs: Vec<_> = (0..18)
        .map(|i| (format!("golden/{}.png", i % 6), [64 + 32 * (i / 9); 2]))
        .collect();
    let mut alone = Vec::new();
    for (file, size) in &jobs {
        alone.push(features(&model, file, Some(*size)).await.unwrap());
    }
    let together: Vec<_> = jobs
        .into_iter()
        .map(|(file, size)| {
            let model = model.clone();
            tokio::spawn(async move { features(&model, &file, Some(size)).await.unwrap() })
        })
        .collect();
    for (expected, found) in alone.iter().zip(together) {
        let found = found.await.unwrap();
        assert_eq!(shapes(expected), shapes(&found));
        let pairs = expected.iter().zip(&found);
        let values = pairs.flat_map(|(a, b)| a.values.iter().zip(b.values.iter()));
        let most = values.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most < 1e-3, "{most}");
    }
    let first = |i: usize| &alone[i][0].values;
    assert_ne!(first(0), first(1), "different images have different maps");
}

#[tokio::test]
async fn a_bundle_without_features_is_valid_and_the_error_names_the_graph() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&without_features(folder.path(), "clip-in-demo"));
    let error = features(&model, "golden/0.png", None).await.unwrap_err();
    let missing = FeaturesError::Missing {
        model: "clip-in-demo".to_owned(),
    };
    assert_eq!(error, missing);
    assert!(error.to_string().contains("features.onnx"), "{error}");
}

/// The graph is opened by the first call. A file that was changed after the model was loaded is not used.
#[tokio::test]
async fn the_graph_is_loaded_when_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let root = with_features(folder.path(), &golden(), |_| {});
    let model = load(&root);
    fs::write(root.join("features.onnx"), b"not a graph").unwrap();
    let error = features(&model, "golden/0.png", None).await.unwrap_err();
    assert!(matches!(error, FeaturesError::Load { .. }));
    let said = error.to_string();
    assert!(
        said.contains("features.onnx") && said.contains("sha256"),
        "{said}"
    );
}

#[tokio::test]
async fn a_late_call_and_a_stopped_model_have_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&with_features(folder.path(), &golden(), |_| {}));
    features(&model, "golden/0.png", None).await.unwrap();
    let late = EmbedOptions {
        deadline: Instant::now().checked_sub(Duration::from_secs(1)),
        ..EmbedOptions::default()
    };
    let error = model.features(image("golden/0.png"), None, late).await;
    assert_eq!(error, Err(EngineError::DeadlineExceeded.into()));
    let stopped = model.clone();
    tokio::task::spawn_blocking(move || stopped.stop())
        .await
        .unwrap();
    let error = features(&model, "golden/0.png", None).await.unwrap_err();
    assert_eq!(error, EngineError::Stopping.into());
}

/// More calls than the budget of memory allows are refused at once, and later ones are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_calls_at_a_time_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&with_features(folder.path(), &golden(), |_| {}));
    features(&model, "golden/0.png", None).await.unwrap();
    // 43 MiB each, of 512.
    let size = Some([1024, 1024]);
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let model = model.clone();
            tokio::spawn(async move { features(&model, "golden/0.png", size).await })
        })
        .collect();
    let mut refused = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(maps) => assert_eq!(shapes(&maps)[0], [4, 144, 256, 256]),
            Err(FeaturesError::Engine(EngineError::Overloaded { .. })) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!((1..16).contains(&refused), "{refused}");
    features(&model, "golden/0.png", None).await.unwrap();
}

fn verify(root: &Path) -> (bool, String) {
    let output = program()
        .args(["model", "verify"])
        .arg(root)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

#[test]
fn model_verify_recomputes_the_golden_values() {
    let folder = tempfile::tempdir().unwrap();
    let root = with_features(&folder.path().join("good"), &golden(), |_| {});
    let (good, said) = verify(&root);
    assert!(
        good && said.contains("features: 6 golden maps agree"),
        "{said}"
    );
    let inspected = program()
        .args(["model", "inspect"])
        .arg(&root)
        .output()
        .unwrap();
    let inspected = String::from_utf8_lossy(&inspected.stdout).into_owned();
    assert!(
        inspected.contains("maps at strides 4, 8; EfficientNet-Lite0"),
        "{inspected}"
    );

    let mut wrong = golden();
    let values = &mut wrong["images"][1]["outputs"]["stride8"]["values"];
    values.as_array_mut().unwrap().reverse();
    let (good, said) = verify(&with_features(&folder.path().join("wrong"), &wrong, |_| {}));
    let names = [
        "golden check of the features failed",
        "stride8",
        "golden/3.png",
    ];
    assert!(
        !good && names.iter().all(|name| said.contains(name)),
        "{said}"
    );

    let mut fewer = golden();
    fewer["images"][0]["outputs"] = json!({});
    let (good, said) = verify(&with_features(&folder.path().join("fewer"), &fewer, |_| {}));
    assert!(!good && said.contains("numbers of every output"), "{said}");
}

#[test]
fn a_wrong_section_is_refused_with_its_field() {
    let folder = tempfile::tempdir().unwrap();
    for (i, (pointer, value, word)) in [
        ("/features/size", json!([100, 100]), "features.size"),
        ("/features/input/layout", json!("NCHW"), "features.input"),
        ("/features/outputs", json!([]), "features.outputs"),
        ("/features/outputs/0/stride", json!(3), "stride 3"),
        ("/features/outputs/1/channels", json!(0), "0 channels"),
        ("/features/golden_tolerance", json!(0), "golden_tolerance"),
        ("/features/graph", json!("../features.onnx"), "`..`"),
        ("/files/features.onnx", json!("00"), "features.onnx"),
        (
            "/statements/weights/direction",
            json!(1e9),
            "statements.weights.direction",
        ),
        (
            "/statements/weights",
            json!({"same": 1.0}),
            "text_difference",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let root = with_features(&folder.path().join(i.to_string()), &golden(), |manifest| {
            *manifest.pointer_mut(pointer).unwrap() = value;
        });
        let (good, said) = verify(&root);
        assert!(!good && said.contains(word), "{pointer}: {said}");
    }
    let root = with_features(&folder.path().join("unlisted"), &golden(), |manifest| {
        let files = manifest["files"].as_object_mut().unwrap();
        files.remove("golden/features.json");
    });
    let (good, said) = verify(&root);
    assert!(!good && said.contains("no checksum"), "{said}");
    // A graph that does not have what the manifest says.
    let root = with_features(&folder.path().join("channels"), &golden(), |manifest| {
        manifest["features"]["outputs"][1]["channels"] = json!(41);
    });
    let (good, said) = verify(&root);
    assert!(
        !good && said.contains("the manifest says stride8"),
        "{said}"
    );
}
