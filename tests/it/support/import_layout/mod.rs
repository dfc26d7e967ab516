//! The Hub's ONNX layout at small size, for tests of refusals.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::server::program;

/// A layout in a temporary folder. Its graphs are not valid, so checks before the graphs report their errors first.
pub struct Layout {
    pub folder: TempDir,
}

impl Layout {
    pub fn clip() -> Self {
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

    pub fn siglip() -> Self {
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

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: &Value) {
        fs::write(self.path(name), content.to_string()).unwrap();
    }

    /// Changes a field by its pointer; `null` removes it.
    pub fn with(self, file: &str, pointer: &str, value: Value) -> Self {
        let text = fs::read_to_string(self.path(file)).unwrap();
        let mut content: Value = serde_json::from_str(&text).unwrap();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        content.pointer_mut(parent).unwrap()[field] = value;
        self.write(file, &content);
        self
    }

    /// The error of a failed import; also checks that nothing is left behind.
    pub fn refusal(&self, options: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        refusal(self.folder.path(), &folder.path().join("bundle"), options)
    }
}

pub fn refusal(source: &Path, out: &Path, options: &[&str]) -> String {
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
