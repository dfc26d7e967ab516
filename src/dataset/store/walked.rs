//! Lists the objects below a prefix of a bucket.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path as Key;
use object_store::{ObjectMeta, ObjectStore};

use super::blob::Blob;
use super::bucket::Bucket;
use super::failure::unanswered;

/// How often an interrupted listing is continued. The crate itself retries a request only until its answer begins.
const TRIES: u32 = 6;

/// An entry of a listing.
pub enum Listed {
    /// An object to read.
    Object(Blob),
    /// The name of an object that is hidden or in a hidden folder.
    Hidden(String),
}

/// All objects below a prefix, sorted by name, with one page of the store's answers in memory at a time. Empty objects that
/// stand for a folder are left out.
pub struct Walked {
    bucket: Arc<Bucket>,
    prefix: Key,
    objects: BoxStream<'static, object_store::Result<ObjectMeta>>,
    /// The last returned name.
    last: Option<Key>,
    tries: u32,
    ended: bool,
}

impl Walked {
    pub fn new(bucket: Arc<Bucket>, prefix: Key) -> Self {
        let objects = bucket.store.list(Some(&prefix));
        Self {
            bucket,
            prefix,
            objects,
            last: None,
            tries: 0,
            ended: false,
        }
    }

    /// Lists the names after the last one.
    fn go_on(&mut self) {
        let (store, prefix) = (&self.bucket.store, Some(&self.prefix));
        self.objects = match &self.last {
            Some(last) => store.list_with_offset(prefix, last),
            None => store.list(prefix),
        };
    }

    fn listed(&self, object: ObjectMeta) -> Option<Listed> {
        let name = object.location.prefix_match(&self.prefix)?;
        let parts: Vec<_> = name.map(|part| part.as_ref().to_owned()).collect();
        // Tools that show buckets as folders create an empty object for each folder.
        let is_folder = object.size == 0 && parts.last().is_none_or(|last| !last.contains('.'));
        if parts.is_empty() || is_folder {
            return None;
        }
        let name = parts.join("/");
        if parts.iter().any(|part| part.starts_with('.')) {
            return Some(Listed::Hidden(name));
        }
        Some(Listed::Object(Blob::object(
            self.bucket.clone(),
            name,
            object,
        )))
    }
}

impl Iterator for Walked {
    type Item = Result<Listed, String>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let next = match self.bucket.wait(self.objects.next()) {
                Ok(next) => next,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error.to_string()));
                }
            };
            match next {
                None => self.ended = true,
                Some(Err(error)) if self.tries < TRIES && unanswered(&error).is_some() => {
                    std::thread::sleep(Duration::from_millis(100 << self.tries));
                    self.tries += 1;
                    self.go_on();
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(self.bucket.failed(&error, &self.prefix)));
                }
                Some(Ok(object)) => {
                    self.last = Some(object.location.clone());
                    self.tries = 0;
                    if let Some(listed) = self.listed(object) {
                        return Some(Ok(listed));
                    }
                }
            }
        }
        None
    }
}
