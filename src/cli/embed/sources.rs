//! What there is to embed: the files below a folder, the lines of a file.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// One thing to embed.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path below the folder with `/`, or the line's number from 1.
    pub id: String,
    /// What it is.
    pub kind: Kind,
}

/// Image file or text.
#[derive(Debug, Clone)]
pub enum Kind {
    Image(PathBuf),
    Text(String),
}

impl Source {
    /// Names it among images and texts together.
    pub fn key(&self) -> String {
        format!("{}:{}", self.kind_name(), self.id)
    }

    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Image(_) => "image",
            Kind::Text(_) => "text",
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Image(_) => None,
            Kind::Text(text) => Some(text),
        }
    }
}

/// Everything, images by path and then texts by line. Hidden files are left out; every other file counts as an image, so
/// that one with a wrong name or broken content is reported and not passed over.
pub fn find(images: Option<&Path>, texts: Option<&Path>) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    if let Some(folder) = images {
        let mut files = Vec::new();
        walk(folder, &mut files)?;
        files.sort();
        for path in files {
            let below = path.strip_prefix(folder).unwrap_or(&path);
            let parts: Vec<_> = below
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect();
            sources.push(Source {
                id: parts.join("/"),
                kind: Kind::Image(path.clone()),
            });
        }
    }
    if let Some(file) = texts {
        let content = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let lines = content
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty());
        sources.extend(lines.map(|(i, line)| Source {
            id: (i + 1).to_string(),
            kind: Kind::Text(line.to_owned()),
        }));
    }
    Ok(sources)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), files)?;
        } else if kind.is_file() || entry.path().is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}
