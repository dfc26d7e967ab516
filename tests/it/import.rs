//! `clip-in model import`: refuses files that are not supported exactly, by file and field. tests/python/test_import.py
//! checks that imported models agree with transformers.

use std::fs;
use std::path::Path;

use crate::support::import_layout::{Layout, refusal};
use crate::support::server::program;
use serde_json::json;

#[test]
fn refusals_name_file_and_field() {
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
fn a_valid_layout_fails_only_at_its_graphs() {
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
fn an_existing_folder_is_not_overwritten() {
    let (layout, taken) = (Layout::clip(), tempfile::tempdir().unwrap());
    let mut command = program();
    command.args(["model", "import"]).arg(layout.folder.path());
    let output = command.arg("--out").arg(taken.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("exists already"));
    assert!(taken.path().is_dir());
}

#[test]
fn names_on_the_hub_cannot_lead_elsewhere() {
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
