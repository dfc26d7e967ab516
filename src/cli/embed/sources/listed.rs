//! Files in a listing that are not read.

use super::Feed;
use crate::cli::embed::survey::Survey;
use crate::dataset::files::Listing;
use crate::dataset::pipeline::Closed;
use crate::dataset::store::Blob;

impl Listing<Blob> {
    /// Adds all files, including those that are only named.
    pub fn survey(&self, survey: &mut Survey) {
        let all = self.files.iter().chain(&self.others);
        all.for_each(|file| survey.file(file));
    }

    /// Reports the files that are not read, after all files.
    pub fn tell_others(&self, feed: &mut Feed, endings: &[&str]) -> Result<(), Closed> {
        for other in &self.others {
            feed.file(other.size);
            let reason = format!(
                "its ending is not .{}; name the file itself to read it",
                endings.join(", .")
            );
            feed.broken(&other.name, "file", reason)?;
        }
        for unreadable in &self.unreadable {
            feed.file(0);
            feed.broken(&unreadable.name, unreadable.kind, &*unreadable.reason)?;
        }
        self.left_out.iter().for_each(|name| feed.leave_out(name));
        Ok(())
    }
}
