//! The folder from which models may be loaded by name. A name cannot lead outside it.

use std::path::{Component, Path, PathBuf};

use super::{Bundle, BundleError};
use crate::quoted::quoted;

/// A folder of bundles. Only folders inside it can be found, after links are resolved.
#[derive(Debug, Clone)]
pub struct ModelsRoot(PathBuf);

/// The reason why a name is not a bundle of the folder.
#[derive(Debug, thiserror::Error)]
pub enum NotInRoot {
    /// The name, or a link in it, leads outside.
    #[error(
        "{} is not inside the models' folder; name a folder below it, without `..`, a leading `/` or links that lead out",
        quoted(.0)
    )]
    Outside(String),
    /// There is no such folder.
    #[error("the models' folder has no folder {}", quoted(.0))]
    Missing(String),
    /// The folder's manifest cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl ModelsRoot {
    /// Opens the folder at this path.
    ///
    /// # Errors
    /// The system's error if it cannot be read or is not a folder.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let root = path.canonicalize()?;
        std::fs::read_dir(&root)?;
        Ok(Self(root))
    }

    /// The folder of a bundle by its path below the root. The bundle's files must be inside the root too.
    ///
    /// # Errors
    /// [`NotInRoot`]. The error does not reveal whether something outside exists.
    pub fn find(&self, name: &str) -> Result<PathBuf, NotInRoot> {
        let outside = || NotInRoot::Outside(name.to_owned());
        let missing = |_| NotInRoot::Missing(name.to_owned());
        let plain = Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || !plain {
            return Err(outside());
        }
        let folder = self.0.join(name).canonicalize().map_err(missing)?;
        if folder == self.0 || !self.holds(&folder) {
            return Err(outside());
        }
        if !folder.is_dir() {
            return Err(NotInRoot::Missing(name.to_owned()));
        }
        self.holds_file(&folder.join("bundle.json"))
            .then_some(())
            .ok_or_else(outside)?;
        let bundle = Bundle::open_unverified(&folder)?;
        for file in bundle.manifest.files.keys() {
            let path = bundle.resolve(file)?;
            self.holds_file(&path).then_some(()).ok_or_else(outside)?;
        }
        Ok(folder)
    }

    fn holds(&self, canonical: &Path) -> bool {
        canonical.starts_with(&self.0)
    }

    /// Whether a file is inside, after links are resolved. A missing file is left to the checksum check.
    fn holds_file(&self, path: &Path) -> bool {
        path.canonicalize().map_or(true, |file| self.holds(&file))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo");

    #[test]
    fn only_folders_inside_the_root_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["root/good", "root/empty", "outside"] {
            fs::create_dir_all(path(name)).unwrap();
        }
        for name in ["root/good/bundle.json", "outside/bundle.json"] {
            fs::copy(format!("{DEMO}/bundle.json"), path(name)).unwrap();
        }
        fs::write(path("root/file"), "no folder").unwrap();
        symlink("good", path("root/link")).unwrap();
        symlink("../outside", path("root/escape")).unwrap();
        symlink(path("outside"), path("root/absolute-escape")).unwrap();
        symlink("..", path("root/up")).unwrap();
        symlink(".", path("root/self")).unwrap();

        let root = ModelsRoot::open(&path("root")).unwrap();
        let good = path("root/good").canonicalize().unwrap();
        for name in ["good", "link", "good/"] {
            assert_eq!(root.find(name).unwrap(), good, "{name}");
        }
        let absolute = path("root/good").display().to_string();
        for name in [
            "",
            ".",
            "..",
            "../outside",
            "good/../../outside",
            "good/..",
            &absolute,
            "/",
            "escape",
            "absolute-escape",
            "up",
            "up/outside",
            "up/root",
            "self",
        ] {
            assert!(
                matches!(root.find(name), Err(NotInRoot::Outside(_))),
                "{name}"
            );
        }
        for name in ["nothing", "file", "nul\0byte"] {
            assert!(
                matches!(root.find(name), Err(NotInRoot::Missing(_))),
                "{name}"
            );
        }
        assert!(matches!(
            root.find("empty"),
            Err(NotInRoot::Bundle(BundleError::NotABundle(_)))
        ));

        // A bundle inside, with a file outside.
        symlink("../../outside/image.onnx", path("root/good/image.onnx")).unwrap();
        assert!(root.find("good").is_ok(), "the link leads nowhere");
        fs::write(path("outside/image.onnx"), "a graph").unwrap();
        assert!(matches!(root.find("good"), Err(NotInRoot::Outside(_))));
        assert!(ModelsRoot::open(&path("root/file")).is_err());
    }
}
