//! Writes the bundle's files.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::architecture::Family;
use super::{ImportError, Layout, Options, Source, graphs, samples, tokenizer_file};
use crate::bundle::{
    Bundle, Cleaning, Element, FORMAT_VERSION, ImageInput, ImageSide, Layout as Axes, Manifest,
    PadTo, Positions, Similarity, TextInput, TextSide, Variant, sha256,
};
use crate::engine::{compute_golden, verify};

const GOLDEN: &str = "golden/golden.json";
/// Two runs of the same fp32 graph differ by 1e-7; another graph or preprocessing differs by far more.
const GOLDEN_TOLERANCE: f64 = 1e-5;

/// The source of a model, for its description.
#[derive(Debug)]
pub struct Origin {
    /// `hf:org/name`, or the folder's name.
    pub source: String,
    /// The requested branch, tag or commit.
    pub revision: Option<String>,
    /// The actual commit.
    pub commit: Option<String>,
    name: String,
}

impl Origin {
    /// The origin of a source.
    pub fn of(source: &Source) -> Self {
        match source {
            Source::Hub(repository) => Self {
                source: format!("hf:{}", repository.id),
                revision: Some(repository.revision.clone()),
                commit: None,
                name: repository
                    .id
                    .split('/')
                    .next_back()
                    .unwrap_or_default()
                    .to_owned(),
            },
            Source::Folder(folder) => {
                let folder = folder.canonicalize().unwrap_or_else(|_| folder.clone());
                let name = folder.file_name().unwrap_or_default().to_string_lossy();
                Self {
                    source: format!("folder {name}"),
                    revision: None,
                    commit: None,
                    name: name.into_owned(),
                }
            }
        }
    }

    /// The name, restricted to the characters that a manifest allows.
    fn model_name(&self) -> String {
        let letter = |c: char| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() || "._-".contains(c) => c,
            _ => '-',
        };
        self.name.chars().map(letter).take(128).collect()
    }
}

/// Writes the bundle of a layout in `folder` to the new folder `root`, and checks it as a server would.
pub fn write(
    folder: &Path,
    root: &Path,
    layout: Layout,
    similarity: (Similarity, String),
    origin: &Origin,
    options: &Options,
) -> Result<(), ImportError> {
    std::fs::create_dir(root).map_err(|e| ImportError::file(root, &e))?;
    for graph in [graphs::IMAGE, graphs::TEXT] {
        copy_graph(folder, root, graph)?;
    }
    put(root, tokenizer_file::FILE, &layout.tokens.file)?;
    let pictures = samples::draw(root)?;
    let mut manifest = manifest(layout, similarity, origin, options);
    // Golden embeddings need a loadable bundle, and the manifest needs the checksum of their file.
    put_json(root, GOLDEN, &json!({"images": [], "texts": []}))?;
    write_manifest(root, &mut manifest)?;
    let texts = samples::texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let golden = compute_golden(&Bundle::open_unverified(root)?, &pictures, &texts)?;
    put_json(root, GOLDEN, &golden)?;
    write_manifest(root, &mut manifest)?;
    for variant in &manifest.variants {
        verify(&Bundle::open(root)?, variant)?;
    }
    Ok(())
}

fn manifest(
    layout: Layout,
    (similarity, numbers): (Similarity, String),
    origin: &Origin,
    options: &Options,
) -> Manifest {
    let Layout {
        architecture,
        preprocessing,
        tokens,
        image: (pixels, image_output),
        text: (ids, attention_mask, text_output),
    } = layout;
    let family = match architecture.family {
        Family::Clip => "CLIP",
        Family::Siglip => "SigLIP",
    };
    Manifest {
        format_version: FORMAT_VERSION,
        name: options.name.clone().unwrap_or_else(|| origin.model_name()),
        description: format!("{family}, imported from {}", origin.source),
        embedding_dim: architecture.embedding_dim,
        image: ImageSide {
            size: preprocessing.size,
            mean: preprocessing.mean,
            std: preprocessing.std,
            resize_mode: preprocessing.resize_mode,
            interpolation: preprocessing.interpolation,
            crop_rounding: preprocessing.crop_rounding,
            fill_color: 0,
            exif_orientation: false,
            input: ImageInput {
                name: pixels,
                layout: Axes::Nchw,
                element: Element::Float32,
            },
            output: image_output,
            output_normalised: false,
            patch_output: None,
            patch_grid: None,
        },
        text: TextSide {
            context_length: architecture.context_length,
            sot_id: tokens.sot_id,
            eot_id: tokens.eot_id,
            pad_id: tokens.pad_id,
            pad_to: match architecture.family {
                Family::Clip => PadTo::Longest,
                Family::Siglip => PadTo::ContextLength,
            },
            cleaning: Cleaning::None,
            positions: Positions::Absolute,
            input: TextInput {
                name: ids,
                element: Element::Int64,
                attention_mask,
            },
            output: text_output,
            output_normalised: false,
        },
        similarity,
        variants: vec![Variant {
            precision: "fp32".to_owned(),
            image: file_name(graphs::IMAGE).to_owned(),
            text: file_name(graphs::TEXT).to_owned(),
            parity: None,
            benchmark_delta: None,
            speedup: None,
            golden_tolerance: GOLDEN_TOLERANCE,
            batch_dependent: false,
        }],
        features: None,
        statements: None,
        tokenizer: tokenizer_file::FILE.to_owned(),
        golden: GOLDEN.to_owned(),
        samples: None,
        files: BTreeMap::new(),
        provenance: provenance(origin, &numbers),
    }
}

fn provenance(origin: &Origin, numbers: &str) -> Value {
    json!({
        "source": origin.source,
        "revision": origin.revision,
        "commit": origin.commit,
        "imported_by": concat!("clip-in ", env!("CARGO_PKG_VERSION")),
        "similarity": numbers,
        "golden": "computed at import by running the graphs: they show that the model still computes what it computed then, \
                   and nothing of how near it is to PyTorch",
        "tokenizer": "special tokens have lost their spelling, so that no text contains one",
    })
}

/// Copies a graph and its external files, with their names unchanged, because the graph refers to them.
fn copy_graph(folder: &Path, root: &Path, graph: &str) -> Result<(), ImportError> {
    let from = folder.join("onnx");
    let name = file_name(graph);
    let entries = std::fs::read_dir(&from).map_err(|e| ImportError::file(&from, &e))?;
    for entry in entries {
        let entry = entry.map_err(|e| ImportError::file(&from, &e))?;
        let file = entry.file_name();
        let beside = file.to_str().and_then(|file| file.strip_prefix(name));
        if beside.is_some_and(|rest| rest.is_empty() || [".data", "_data"].contains(&rest)) {
            let to = root.join(&file);
            std::fs::copy(entry.path(), &to).map_err(|e| ImportError::file(&to, &e))?;
        }
    }
    Ok(())
}

fn file_name(graph: &str) -> &str {
    graph.rsplit('/').next().unwrap_or(graph)
}

fn put(root: &Path, name: &str, content: &[u8]) -> Result<(), ImportError> {
    let path = root.join(name);
    std::fs::write(&path, content).map_err(|e| ImportError::file(&path, &e))
}

fn put_json(root: &Path, name: &str, content: &impl serde::Serialize) -> Result<(), ImportError> {
    let text = serde_json::to_vec_pretty(content).map_err(|e| ImportError::Content {
        file: name.to_owned(),
        reason: e.to_string(),
    })?;
    put(root, name, &text)
}

/// Writes the manifest with the checksums of all existing files.
fn write_manifest(root: &Path, manifest: &mut Manifest) -> Result<(), ImportError> {
    manifest.files.clear();
    for folder in ["", "golden/"] {
        let path = root.join(folder);
        let entries = std::fs::read_dir(&path).map_err(|e| ImportError::file(&path, &e))?;
        for entry in entries {
            let entry = entry.map_err(|e| ImportError::file(&path, &e))?;
            let name = format!("{folder}{}", entry.file_name().to_string_lossy());
            if entry.path().is_file() && name != "bundle.json" {
                manifest.files.insert(name, sha256(&entry.path())?);
            }
        }
    }
    put_json(root, "bundle.json", manifest)
}
