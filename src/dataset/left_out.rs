//! Files beside items that contain no item, by their name: they are counted and named, but are not an error.

/// Number of names of such files that are stored.
const NAMED: usize = 5;

/// Endings of numbers, attributes and notes beside images and texts.
const ENDINGS: [&str; 14] = [
    "json", "cls", "cls2", "id", "idx", "index", "inx", "npy", "npz", "pth", "pkl", "pickle",
    "pyd", "md",
];

/// The number of files that were left out, and the first names.
#[derive(Debug, Default, Clone)]
pub struct LeftOut {
    /// Their number.
    pub count: u64,
    first: Vec<String>,
}

impl LeftOut {
    /// Counts one file.
    pub fn add(&mut self, name: &str) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(name.to_owned());
        }
    }

    /// The first names, with a hint if there are more.
    pub fn named(&self) -> String {
        let more = self.count > self.first.len() as u64;
        let names = self.first.join(", ");
        if more { format!("{names}, …") } else { names }
    }
}

/// Whether a file or member is left out by its name: it is hidden, a program's own marker (`_SUCCESS`), or has one of the
/// endings.
pub fn is_beside(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (_, ending) = name.rsplit_once('.').unwrap_or_default();
    let is_known = ENDINGS
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known));
    name.starts_with(['.', '_']) || is_known
}
