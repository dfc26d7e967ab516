//! `clip-in model import`: what its files do not say exactly is refused, by file and field. That what is imported agrees with
//! transformers is proved in tests/python/test_import.py.

mod server;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use server::program;
use tempfile::TempDir;

/// A layout in a folder of its own. The graphs are no graphs: whatever is refused before them says so first.
struct Layout {
    folder: TempDir,
}

impl Layout {
    fn clip() -> Self {
        let layout = Self::new(&json!({
            "model_type": "clip",
            "projection_dim": 8,
            "text_config": {"max_position_embeddings": 16, "eos_token_id": 2},
            "vision_config": {"image_size": 32},
        }));
        layout.write(
            "preprocessor_config.json",
            &json!({
                "image_processor_type": "CLIPImageProcessor", "do_resize": true, "size": {"shortest_edge": 32}, "resample": 3,
                "do_center_crop": true, "crop_size": {"height": 32, "width": 32}, "do_rescale": true,
                "rescale_factor": 0.003_921_568_627_450_98, "do_normalize": true, "image_mean": [0.5, 0.5, 0.5],
                "image_std": [0.5, 0.5, 0.5], "do_convert_rgb": true,
            }),
        );
        layout
    }

    fn siglip() -> Self {
        let layout = Self::new(&json!({
            "model_type": "siglip",
            "text_config": {"max_position_embeddings": 16, "hidden_size": 8},
            "vision_config": {"image_size": 32, "hidden_size": 8},
        }));
        layout.write(
            "preprocessor_config.json",
            &json!({
                "image_processor_type": "SiglipImageProcessor", "size": {"height": 32, "width": 32}, "resample": 2,
                "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
            }),
        );
        layout
    }

    fn new(config: &Value) -> Self {
        let layout = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        layout.write("config.json", config);
        layout.write("tokenizer.json", &tokenizer());
        layout.write(
            "tokenizer_config.json",
            &json!({"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "</s>", "model_max_length": 16}),
        );
        fs::create_dir(layout.path("onnx")).unwrap();
        for graph in ["vision", "text"] {
            fs::write(layout.path(&format!("onnx/{graph}_model.onnx")), "none").unwrap();
        }
        layout
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &Value) {
        fs::write(self.path(name), content.to_string()).unwrap();
    }

    /// Changes a field by its pointer; `null` takes it out.
    fn with(self, file: &str, pointer: &str, value: Value) -> Self {
        let text = fs::read_to_string(self.path(file)).unwrap();
        let mut content: Value = serde_json::from_str(&text).unwrap();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        content.pointer_mut(parent).unwrap()[field] = value;
        self.write(file, &content);
        self
    }

    /// What the import says when it fails, and that it leaves nothing behind.
    fn refusal(&self, options: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        refusal(self.folder.path(), &folder.path().join("bundle"), options)
    }
}

fn refusal(source: &Path, out: &Path, options: &[&str]) -> String {
    let mut command = program();
    command
        .args(["model", "import"])
        .arg(source)
        .arg("--out")
        .arg(out);
    let output = command.args(options).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!out.exists());
    let left = fs::read_dir(out.parent().unwrap()).unwrap().count();
    assert_eq!(left, 0, "something is left");
    String::from_utf8(output.stderr).unwrap()
}

fn tokenizer() -> Value {
    let pieces = [
        "<pad>", "</s>", "<unk>", "▁", "▁a", "a", "b", "<", "/", "s", ">",
    ];
    let vocabulary: Vec<Value> = pieces.iter().map(|piece| json!([piece, -1.0])).collect();
    let added = |id: u32, content: &str, special: bool| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
               "special": special})
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [added(0, "<pad>", true), added(1, "</s>", false)],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
        },
        "decoder": null,
        "model": {"type": "Unigram", "unk_id": 2, "vocab": vocabulary, "byte_fallback": false},
    })
}

#[test]
fn what_is_refused_names_file_and_field() {
    let image = "preprocessor_config.json";
    let tokens = "tokenizer_config.json";
    let cases = [
        (
            "config.json",
            "/model_type",
            json!("chinese_clip"),
            "model_type",
        ),
        ("config.json", "/model_type", json!(null), "model_type"),
        (
            "config.json",
            "/text_config/eos_token_id",
            json!(7),
            "text_config.eos_token_id",
        ),
        (
            "config.json",
            "/vision_config/num_channels",
            json!(4),
            "vision_config.num_channels",
        ),
        (
            "config.json",
            "/vision_config/image_size",
            json!([32, 32]),
            "vision_config.image_size",
        ),
        ("config.json", "/vision_config", json!(3), "vision_config"),
        (
            image,
            "/image_processor_type",
            json!("BitImageProcessor"),
            "image_processor_type",
        ),
        (
            image,
            "/image_processor_type",
            json!(null),
            "image_processor_type",
        ),
        (image, "/resample", json!(1), "resample"),
        (image, "/resample", json!("bicubic"), "resample"),
        (image, "/resample", json!(null), "resample"),
        (image, "/do_resize", json!(false), "do_resize"),
        (image, "/do_rescale", json!(false), "do_rescale"),
        (image, "/rescale_factor", json!(0.5), "rescale_factor"),
        (image, "/do_pad", json!(true), "do_pad"),
        (image, "/do_center_crop", json!(false), "size.shortest_edge"),
        (image, "/do_center_crop", json!("yes"), "do_center_crop"),
        (
            image,
            "/crop_size",
            json!({"height": 28, "width": 28}),
            "crop_size",
        ),
        (
            image,
            "/crop_size",
            json!({"shortest_edge": 32}),
            "crop_size",
        ),
        (image, "/crop_size", json!(null), "crop_size"),
        (image, "/size", json!({"shortest_edge": 36}), "crop_size"),
        (
            image,
            "/size",
            json!({"longest_edge": 32}),
            "size.longest_edge",
        ),
        (image, "/size", json!({}), "size"),
        (image, "/image_mean", json!([0.5]), "image_mean"),
        (image, "/image_std", json!(null), "image_std"),
        (image, "/do_flip", json!(true), "do_flip"),
        (
            tokens,
            "/tokenizer_class",
            json!("BertTokenizer"),
            "tokenizer_class",
        ),
        (tokens, "/pad_token", json!(null), "pad_token"),
        (tokens, "/pad_token", json!("[PAD]"), "pad_token"),
        (tokens, "/padding_side", json!("left"), "padding_side"),
        (tokens, "/truncation_side", json!("left"), "truncation_side"),
        (tokens, "/add_bos_token", json!(true), "add_bos_token"),
        (tokens, "/model_max_length", json!(12), "model_max_length"),
        (
            "tokenizer.json",
            "/normalizer/type",
            json!("Shout"),
            "normalizer",
        ),
        (
            "tokenizer.json",
            "/pre_tokenizer/type",
            json!("Magic"),
            "pre_tokenizer",
        ),
        (
            "tokenizer.json",
            "/post_processor",
            json!(null),
            "post_processor",
        ),
        (
            "tokenizer.json",
            "/model/type",
            json!("WordPiece"),
            "model.type",
        ),
    ];
    for (file, pointer, value, field) in cases {
        let said = Layout::clip()
            .with(file, pointer, value.clone())
            .refusal(&[]);
        let expected = format!("clip-in: {file}: {field}: ");
        assert!(said.contains(&expected), "{file} {pointer} {value}: {said}");
    }
}

#[test]
fn siglip_reads_lower_case_and_crops_nothing() {
    let upper = Layout::siglip().with("tokenizer.json", "/normalizer", json!({"type": "NFC"}));
    assert!(upper.refusal(&[]).contains("tokenizer.json: normalizer: "));
    let said = upper
        .with("tokenizer_config.json", "/do_lower_case", json!(false))
        .refusal(&[]);
    assert!(said.contains("vision_model.onnx"), "{said}");
    let image = "preprocessor_config.json";
    let said = Layout::siglip()
        .with(image, "/size", json!({"shortest_edge": 32}))
        .refusal(&[]);
    assert!(
        said.contains(&format!("{image}: size.shortest_edge: ")),
        "{said}"
    );
    let text = "/text_config/hidden_size";
    let said = Layout::siglip()
        .with("config.json", text, json!(9))
        .refusal(&[]);
    assert!(
        said.contains("config.json: text_config.projection_size: "),
        "{said}"
    );
}

#[test]
fn pad_tokens_that_disagree_are_refused() {
    let layout = Layout::clip();
    layout.write(
        "special_tokens_map.json",
        &json!({"pad_token": {"content": "<pad>"}}),
    );
    let said = layout.refusal(&[]);
    assert!(
        said.contains("tokenizer_config.json: pad_token: "),
        "{said}"
    );
}

#[test]
fn a_good_layout_comes_as_far_as_its_graphs() {
    for layout in [Layout::clip(), Layout::siglip()] {
        let said = layout.refusal(&[]);
        assert!(
            said.contains("cannot load") && said.contains("vision_model.onnx"),
            "{said}"
        );
        fs::remove_file(layout.path("onnx/vision_model.onnx")).unwrap();
        let said = layout.refusal(&[]);
        assert!(said.contains("has no onnx/vision_model.onnx"), "{said}");
    }
    let layout = Layout::clip();
    fs::remove_file(layout.path("tokenizer.json")).unwrap();
    assert!(layout.refusal(&[]).contains("has no tokenizer.json"));
    fs::write(layout.path("config.json"), "[]").unwrap();
    assert!(
        layout
            .refusal(&[])
            .contains("config.json: not a JSON object")
    );
}

#[test]
fn what_is_at_the_place_of_the_bundle_stays() {
    let (layout, taken) = (Layout::clip(), tempfile::tempdir().unwrap());
    let mut command = program();
    command.args(["model", "import"]).arg(layout.folder.path());
    let output = command.arg("--out").arg(taken.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is there already"));
    assert!(taken.path().is_dir());
}

#[test]
fn names_on_the_hub_lead_nowhere_else() {
    for (name, revision) in [
        ("hf:one", "main"),
        ("hf:one/two/three", "main"),
        ("hf:../two", "main"),
        ("hf:one/t?o", "main"),
        ("hf:one/two", "a?b"),
        ("hf:one/two", ""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("bundle");
        let said = refusal(Path::new(name), &out, &["--revision", revision]);
        assert!(said.contains("is not a name on the Hub"), "{said}");
    }
    let said = Layout::clip().refusal(&["--revision", "main"]);
    assert!(
        said.contains("--revision is for models on the Hub"),
        "{said}"
    );
}
