//! Zero-shot classification (Radford et al., arXiv 2103.00020, 3.1): one folder of images per class. The classes' names are
//! put into templates, and the embeddings of these texts are averaged as unit vectors and normalised again.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use super::json::whole;
use super::left_out;
use super::pictures::{PictureFiles, Pictures};
use super::scoring::{MetricSpec, Outcome, Over, Scored, ScoredItem, by_group};
use super::texts::Texts;
use super::{Broken, Dataset, Scoring, Vectors};
use crate::byte_order_mark;
use crate::dataset::files::shown_entries;
use crate::dataset::walk::{Step, joined, walk};
use crate::matching::{cosine, mean_direction};

/// The default template.
const TEMPLATE: &str = "a photo of a {}.";
/// Size of the largest common list of templates.
const TOP: usize = 5;

/// The names of the classes, and the templates.
#[derive(Debug, Clone, Default)]
pub struct Wording {
    /// File with one template per line.
    pub templates: Option<PathBuf>,
    /// File with the names.
    pub classnames: Option<PathBuf>,
}

/// A file of names: by folder, or in the order of the folders.
#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    ByFolder(BTreeMap<String, String>),
    InOrder(Vec<String>),
}

struct Picture {
    id: String,
    class: usize,
    image: usize,
}

struct Classes {
    /// Folder, and the texts of its name in all templates.
    classes: Vec<(String, Vec<usize>)>,
    pictures: Vec<Picture>,
}

pub fn open(folder: &Path, wording: &Wording) -> anyhow::Result<Dataset> {
    let (folders, others): (Vec<_>, Vec<_>) = shown_entries(folder)?
        .into_iter()
        .partition(|(entry, _)| entry.path().is_dir());
    left_out::note(folder, others.iter().map(|(_, name)| name.as_str()));
    if folders.len() < 2 {
        bail!(
            "{} needs at least two folders, one per class",
            folder.display()
        );
    }
    let names = wording.classnames.as_deref().map(|path| {
        let names: Names =
            whole(path).context("class names are {\"folder\": \"name\"}, or a list of names")?;
        anyhow::Ok((path, names))
    });
    let names = names.transpose()?;
    let templates = templates(wording.templates.as_deref())?;
    let (mut texts, mut files) = (Texts::default(), PictureFiles::default());
    let mut broken = Vec::new();
    let mut all = Classes {
        classes: Vec::new(),
        pictures: Vec::new(),
    };
    if let Some((path, Names::InOrder(list))) = &names
        && list.len() != folders.len()
    {
        bail!(
            "{} has {} names for {} folders",
            path.display(),
            list.len(),
            folders.len()
        );
    }
    for (class, (entry, folder)) in folders.into_iter().enumerate() {
        let name = match &names {
            // Blanks are not always possible in a folder's name.
            None => folder.replace('_', " "),
            Some((path, Names::ByFolder(names))) => names
                .get(&folder)
                .with_context(|| format!("{} has no name for {folder}", path.display()))?
                .clone(),
            Some((_, Names::InOrder(list))) => list.get(class).cloned().unwrap_or_default(),
        };
        let add = |template: &String| {
            texts.add(template.replace("{}", &name), || format!("class {folder}"))
        };
        let texts = templates.iter().map(add).collect();
        let (mut hidden, place) = (Vec::new(), entry.path());
        let Ok(()) = walk(&place, &mut |step| {
            match step {
                Step::File { path, name, .. } => all.pictures.push(Picture {
                    id: joined(&folder, &name),
                    class,
                    image: files.add(path),
                }),
                Step::Hidden { name } => hidden.push(name),
                Step::Unreadable(it) => {
                    let place = format!("{folder}/{}", it.name);
                    broken.push(Broken::new(place, it.reason));
                }
            }
            Ok::<_, Infallible>(())
        });
        left_out::note(&place, hidden.iter().map(String::as_str));
        all.classes.push((folder, texts));
    }
    let mut options = BTreeMap::new();
    options.insert("templates".to_owned(), templates.len().to_string());
    Ok(Dataset {
        benchmark: "zeroshot",
        options,
        texts,
        pictures: Pictures::Files(files),
        records: all.pictures.len(),
        broken,
        scoring: Box::new(all),
    })
}

fn templates(path: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let Some(path) = path else {
        return Ok(vec![TEMPLATE.to_owned()]);
    };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = byte_order_mark::dropped_from(&text);
    let mut templates = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if !line.contains("{}") {
            bail!(
                "{}:{}: a template needs {{}} in place of the name",
                path.display(),
                number + 1
            );
        }
        templates.push(line.to_owned());
    }
    if templates.is_empty() {
        bail!("{} contains no template", path.display());
    }
    Ok(templates)
}

impl Scoring for Classes {
    fn score(&self, vectors: &Vectors) -> Scored {
        // If one text of a class is missing, its description differs from the others, so the item is not scored.
        let prototypes: Option<Vec<_>> = self
            .classes
            .iter()
            .map(|(_, texts)| {
                let of_class: Option<Vec<_>> = texts.iter().map(|i| vectors.text(*i)).collect();
                of_class.map(|vectors| mean_direction(&vectors))
            })
            .collect();
        let prototypes = prototypes.unwrap_or_default();
        let items = self.pictures.iter().filter_map(|picture| {
            let image = vectors.image(picture.image)?;
            let own = cosine(image, prototypes.get(picture.class)?);
            let not_worse = |(class, prototype): (usize, &Vec<f32>)| {
                class != picture.class && cosine(image, prototype) >= own
            };
            let before = prototypes
                .iter()
                .enumerate()
                .filter(|it| not_worse(*it))
                .count();
            let outcome = |name: &str, right: bool| (name.to_owned(), Outcome::from(right));
            let mut outcomes: BTreeMap<_, _> = [outcome("top1", before == 0)].into();
            // With five classes, every one is among the first five.
            if prototypes.len() > TOP {
                outcomes.extend([outcome("top5", before < TOP)]);
            }
            Some(ScoredItem {
                id: picture.id.clone(),
                group: self.classes.get(picture.class)?.0.clone(),
                outcomes,
            })
        });
        let items: Vec<_> = items.collect();
        let mut metrics = vec![
            MetricSpec::headline("top1", "top1", Over::Items),
            MetricSpec::new("top5", "top5", Over::Items),
            MetricSpec::new("mean_per_class", "top1", Over::Groups),
        ];
        metrics.extend(by_group("top1", "top1", &items));
        Scored { items, metrics }
    }
}
