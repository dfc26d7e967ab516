//! Sets whose files are named in a table: VisA, Real-IAD, and collections with a `meta.json`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::set::{Category, MaskFile, TestImage, USUAL_LIMIT};
use crate::byte_order_mark;
use crate::dataset::files::shown_entries;

/// Categories by name, while they are gathered.
#[derive(Default)]
struct Gathered(BTreeMap<String, Category>);

/// An image as a table names it.
struct Named<'a> {
    category: &'a str,
    is_training: bool,
    image: &'a Path,
    mask: Option<&'a Path>,
    defect: Option<&'a str>,
    part: Option<String>,
}

impl Gathered {
    fn add(&mut self, root: &Path, one: Named<'_>) {
        let category = self.0.entry(one.category.to_owned()).or_default();
        category.name = one.category.to_owned();
        category.limit = USUAL_LIMIT;
        let file = root.join(one.image);
        match (one.is_training, one.defect) {
            (true, None) => category.good.push(file),
            // Nothing is learnt of defects.
            (true, Some(_)) => {}
            (false, defect) => category.test.push(TestImage {
                file,
                defect: defect.map(str::to_owned),
                masks: one
                    .mask
                    .filter(|_| defect.is_some())
                    .map(|mask| MaskFile {
                        file: root.join(mask),
                        saturation: None,
                    })
                    .into_iter()
                    .collect(),
                part: one.part,
            }),
        }
    }

    fn done(self) -> Vec<Category> {
        self.0.into_values().collect()
    }
}

/// VisA: `split_csv/1cls.csv` with object, split, label, image, mask.
pub fn visa(folder: &Path) -> anyhow::Result<Vec<Category>> {
    #[derive(Deserialize)]
    struct Row {
        object: String,
        split: String,
        label: String,
        image: String,
        mask: Option<String>,
    }
    let file = folder.join("split_csv/1cls.csv");
    let named = || format!("cannot read {}", file.display());
    let bytes = std::fs::read(&file).with_context(named)?;
    let mut found = Gathered::default();
    let mut rows = csv::Reader::from_reader(byte_order_mark::dropped(&bytes));
    for row in rows.deserialize() {
        let row: Row = row.with_context(named)?;
        let is_good = row.label.eq_ignore_ascii_case("normal");
        found.add(
            folder,
            Named {
                category: &row.object,
                is_training: row.split == "train",
                image: Path::new(&row.image),
                mask: row
                    .mask
                    .as_deref()
                    .filter(|it| !it.is_empty())
                    .map(Path::new),
                defect: (!is_good).then_some("anomaly"),
                part: None,
            },
        );
    }
    Ok(found.done())
}

/// Real-IAD: `realiad_jsons/CATEGORY.json`, and the images of a category in the folder that its `meta.prefix` names, below
/// `realiad_1024`, `realiad_512` or `realiad_256`.
pub fn real_iad(folder: &Path) -> anyhow::Result<Vec<Category>> {
    #[derive(Deserialize)]
    struct File {
        meta: Meta,
        train: Vec<Entry>,
        test: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Meta {
        #[serde(default)]
        prefix: String,
        #[serde(default = "ok")]
        normal_class: String,
    }
    #[derive(Deserialize)]
    struct Entry {
        category: String,
        anomaly_class: String,
        image_path: String,
        mask_path: Option<String>,
    }
    fn ok() -> String {
        "OK".to_owned()
    }
    let mut jsons = Vec::new();
    let mut roots = Vec::new();
    for (entry, name) in shown_entries(folder)? {
        if name.starts_with("realiad_jsons") {
            jsons.extend(shown_entries(&entry.path())?);
        } else if name.starts_with("realiad_") {
            roots.push(entry.path());
        }
    }
    let [root] = roots.as_slice() else {
        bail!(
            "{} needs one folder of images, such as realiad_1024; it has {}",
            folder.display(),
            roots.len()
        );
    };
    let mut found = Gathered::default();
    for (entry, _) in jsons {
        let file: File = json(&entry.path())?;
        for (entries, is_training) in [(&file.train, true), (&file.test, false)] {
            for one in entries {
                let place = |path: &str| Path::new(&file.meta.prefix).join(path);
                let (image, mask) = (place(&one.image_path), one.mask_path.as_deref().map(place));
                let is_good = one.anomaly_class == file.meta.normal_class;
                // Five cameras see a part; its images are in one folder.
                let part = image.parent().map(|folder| folder.display().to_string());
                found.add(
                    root,
                    Named {
                        category: &one.category,
                        is_training,
                        image: &image,
                        mask: mask.as_deref(),
                        defect: (!is_good).then_some(one.anomaly_class.as_str()),
                        part,
                    },
                );
            }
        }
    }
    Ok(found.done())
}

/// `meta.json`: train and test, by category, a list of images.
pub fn meta_json(folder: &Path) -> anyhow::Result<Vec<Category>> {
    #[derive(Deserialize)]
    struct Meta {
        train: BTreeMap<String, Vec<Entry>>,
        test: BTreeMap<String, Vec<Entry>>,
    }
    #[derive(Deserialize)]
    struct Entry {
        img_path: String,
        #[serde(default)]
        mask_path: String,
        #[serde(default)]
        specie_name: String,
        anomaly: u8,
    }
    let meta: Meta = json(&folder.join("meta.json"))?;
    let mut found = Gathered::default();
    for (categories, is_training) in [(&meta.train, true), (&meta.test, false)] {
        for (category, entries) in categories {
            for one in entries {
                let mask = Some(one.mask_path.as_str()).filter(|it| !it.is_empty());
                let defect = match one.specie_name.as_str() {
                    "" => "anomaly",
                    name => name,
                };
                found.add(
                    folder,
                    Named {
                        category,
                        is_training,
                        image: Path::new(&one.img_path),
                        mask: mask.map(Path::new),
                        defect: (one.anomaly != 0).then_some(defect),
                        part: None,
                    },
                );
            }
        }
    }
    Ok(found.done())
}

fn json<T: DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let named = || format!("cannot read {}", file.display());
    let bytes = std::fs::read(file).with_context(named)?;
    serde_json::from_slice(byte_order_mark::dropped(&bytes)).with_context(named)
}
