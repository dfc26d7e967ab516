//! Files beside those that a benchmark consists of.

use std::path::Path;

use crate::dataset::left_out::LeftOut;

/// Says on standard error how many files of a folder are not read, and the first names.
pub fn note<'a>(folder: &Path, names: impl IntoIterator<Item = &'a str>) {
    let mut left_out = LeftOut::default();
    names.into_iter().for_each(|name| left_out.add(name));
    if left_out.count > 0 {
        eprintln!(
            "note: {} other files in {} are left out: {}",
            left_out.count,
            folder.display(),
            left_out.named()
        );
    }
}
