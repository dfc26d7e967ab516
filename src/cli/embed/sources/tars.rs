//! Webdataset tars: members with the same name belong together, and the ending tells the kind of each.

use bytes::Bytes;

use super::{Feed, MostBytes, Source};
use crate::byte_order_mark;
use crate::cli::embed::item::{Content, Item, Kind};
use crate::cli::embed::shard::Owner;
use crate::cli::embed::survey::Survey;
use crate::dataset::files::Listing;
use crate::dataset::image_files;
use crate::dataset::left_out::is_beside;
use crate::dataset::pipeline::Closed;
use crate::dataset::store::Blob;
use crate::dataset::tar_members::{self, ENDINGS, Member};

/// Tars.
#[derive(Debug)]
pub struct Tars {
    listing: Listing<Blob>,
    most: MostBytes,
}

impl Tars {
    pub fn new(listing: Listing<Blob>, most: MostBytes) -> Self {
        Self { listing, most }
    }

    fn read_tar(&self, input: &Blob, feed: &mut Feed) -> Result<(), Closed> {
        match tar_members::visit(input.open(), |member| self.read_member(member, feed))? {
            Ok(()) => Ok(()),
            Err(reason) => feed.broken(&input.name, "tar", reason),
        }
    }

    fn read_member(&self, member: Member<'_>, feed: &mut Feed) -> Result<(), Closed> {
        let path = member.path.clone();
        let Some((id, kind)) = item(&path) else {
            if is_beside(&path) {
                feed.leave_out(&path);
                return Ok(());
            }
            let reason = "its ending is not one of an image or text, so it is not read";
            return feed.broken(path, "member", reason);
        };
        if !member.has_content {
            let reason = "the member is a link or something else without content";
            return feed.broken(id, kind.name(), reason);
        }
        if !feed.wants(kind, id)? {
            return Ok(());
        }
        match self.content(member, kind) {
            Ok(Content::Text(text)) if text.is_empty() => {
                feed.empty();
                Ok(())
            }
            Ok(content) => feed.item(Item {
                id: id.to_owned(),
                content,
            }),
            Err(reason) => feed.broken(id, kind.name(), reason),
        }
    }

    /// Reads a member by its kind. Surrounding white space of texts is removed: most end with a line break.
    fn content(&self, member: Member<'_>, kind: Kind) -> Result<Content, String> {
        let most = match kind {
            Kind::Image => self.most.image,
            Kind::Text => self.most.text,
        };
        let bytes = member
            .bytes(most as u64)
            .map_err(|fault| fault.to_string())?;
        match kind {
            Kind::Image => Ok(Content::Image(Bytes::from(bytes))),
            Kind::Text => match std::str::from_utf8(byte_order_mark::dropped(&bytes)) {
                Ok(text) => Ok(Content::Text(text.trim().to_owned())),
                Err(_) => Err("the text is not UTF-8".to_owned()),
            },
        }
    }
}

impl Source for Tars {
    fn survey(&self, survey: &mut Survey) -> anyhow::Result<()> {
        survey.source("tars");
        self.listing.survey(survey);
        Ok(())
    }

    /// A tar belongs to one shard, because members can only be found by reading from the beginning.
    fn read(&self, feed: &mut Feed) -> Result<(), Closed> {
        for file in &self.listing.files {
            match feed.file(file.size) {
                Owner::This => self.read_tar(file, feed)?,
                // A store cannot give only the names: every worker would have to download all tars.
                Owner::Earlier if file.is_remote() => {}
                Owner::Earlier => self.read_tar(file, feed)?,
                Owner::Later => {}
            }
        }
        self.listing.tell_others(feed, &ENDINGS)
    }

    /// Only a pass over all members would tell.
    fn total(&self) -> Option<u64> {
        None
    }
}

/// Id and kind of a member that is an item. The id is the path up to the last dot of the file name. For a name with one dot
/// this is webdataset's key; with several, `img.001.jpg` and `img.002.jpg` stay different.
fn item(path: &str) -> Option<(&str, Kind)> {
    let (id, ending) = path.rsplit_once('.')?;
    let name = path.rsplit('/').next()?;
    if name.starts_with('.') {
        return None;
    }
    let kind = match ending {
        _ if image_files::is_image(ending) => Kind::Image,
        _ if ending.eq_ignore_ascii_case("txt") => Kind::Text,
        _ => return None,
    };
    Some((id, kind))
}
