//! Gives attachments their rows again, by the notes behind their bytes; they find their exam reports when these come again.

use std::collections::HashSet;

use futures_util::TryStreamExt;

use super::reindex::{LeftOut, Reindexed, TOLD};
use crate::archive::images::attachment_note;
use crate::archive::images::store_attachment::AttachmentOutcome;
use crate::archive::{Archive, Error};
use crate::dicom::content_hash::HashAlgorithm;
use crate::domain::Actor;
use crate::domain::place::Place;
use crate::index::attachments::NewAttachment;
use crate::index::places;
use crate::objects::{self, Kind, Listed};

/// Objects whose rows are looked up together.
const OBJECTS_AT_ONCE: usize = 200;

impl Archive {
    pub(super) async fn reindex_attachments(
        &self,
        done: &mut Reindexed,
        progress: &impl Fn(&Reindexed),
    ) -> Result<(), Error> {
        let kind = format!("{}/", Kind::Attachment.folder());
        let is_attachment = |listed: &Listed| listed.key.starts_with(&kind);
        let mut listed: Vec<Listed> =
            self.objects.list().try_filter(|listed| std::future::ready(is_attachment(listed))).try_collect().await?;
        listed.sort_by(|a, b| (a.written_at, &a.key).cmp(&(b.written_at, &b.key)));
        for listed in listed.chunks(OBJECTS_AT_ONCE) {
            let keys: Vec<String> = listed.iter().map(|listed| listed.key.clone()).collect();
            let unnamed: HashSet<String> = places::unnamed(&self.index, &keys).await?.into_iter().collect();
            for one in listed {
                done.seen += 1;
                if !unnamed.contains(&one.key) {
                    done.known += 1;
                    continue;
                }
                done.bytes += one.length;
                let place = Place { key: one.key.clone(), offset: 0, length: one.length };
                match self.attachment_at(&place).await? {
                    Ok((new, received_at)) => {
                        match self.index_attachment(new, received_at, Actor::system("reindex")).await? {
                            AttachmentOutcome::Stored => done.attachments += 1,
                            AttachmentOutcome::Duplicate => done.duplicates += 1,
                        }
                    }
                    Err(why) => {
                        done.left_out += 1;
                        if done.told.len() < TOLD {
                            done.told.push((place, why));
                        }
                    }
                }
            }
            progress(done);
        }
        Ok(())
    }

    async fn attachment_at(&self, object: &Place) -> Result<Result<(NewAttachment, i64), LeftOut>, Error> {
        let tail = object.length.saturating_sub(attachment_note::MOST_BYTES)..object.length;
        let tail = match self.objects.read_range(object, tail).await {
            Err(objects::Error::Missing) => return Ok(Err(LeftOut::Unfinished)),
            read => read?,
        };
        let Some((new, received_at)) = attachment_note::read(&tail, object) else { return Ok(Err(LeftOut::NoNote)) };
        let hash = self.hash_of(&new.place, 0, HashAlgorithm::of(&new.content_hash)).await?;
        Ok(if hash == new.content_hash { Ok((new, received_at)) } else { Err(LeftOut::Damaged) })
    }
}
