//! Files beside those of a benchmark.

use std::path::Path;

use crate::dataset::left_out::LeftOut;

/// Prints to standard error the number of files in a folder that are not read, and their first names.
pub fn note<'a>(folder: &Path, names: impl IntoIterator<Item = &'a str>) {
    let mut left_out = LeftOut::default();
    names.into_iter().for_each(|name| left_out.add(name));
    if left_out.count > 0 {
        message!(
            "note: {} other files in {} are left out: {}",
            left_out.count,
            folder.display(),
            left_out.named()
        );
    }
}
