//! `yingku delete`: takes images away for good. Nothing goes without `--yes`; no patient data is shown.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use indicatif::HumanBytes;

use super::{ConfigFile, operator, with_archive};
use crate::archive::upkeep::delete_images::{DeleteImages, DeleteOutcome, Deletion, Extent, ImageLevel, Unconfirmed};
use crate::archive::{Archive, Error};
use crate::domain::date_time::local_text;

#[derive(Debug, Args)]
pub(super) struct Delete {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Delete a study with all its images, by its Study Instance UID.
    Study(Which),
    /// Delete a series with all its images, by its Series Instance UID.
    Series(Which),
    /// Delete one image, by its SOP Instance UID, with other contents that came under it.
    Instance(Which),
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    file: ConfigFile,
    /// The UID.
    uid: String,
    /// The organisation whose images these are.
    #[arg(long, value_name = "CODE")]
    org: String,
    /// Why, in one line and without patient data: it is kept in the audit trail.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Delete; without it only what would go is told.
    #[arg(long)]
    yes: bool,
    /// Also what an upstream archive is to have and has not confirmed: it never gets there then.
    #[arg(long)]
    force: bool,
}

impl Delete {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (level, which) = match self.what {
            What::Study(which) => (ImageLevel::Study, which),
            What::Series(which) => (ImageLevel::Series, which),
            What::Instance(which) => (ImageLevel::Instance, which),
        };
        with_archive(&which.file.load()?, async |archive| which.delete(archive, level).await).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Which {
    async fn delete(&self, archive: &Archive, level: ImageLevel) -> anyhow::Result<()> {
        let (uid, org, word) = (&self.uid, &self.org, level.as_str());
        let name = format!("{word} {uid} of {org}");
        let extent = match archive.images_to_delete(org, level, uid).await {
            Ok(extent) => extent,
            Err(Error::NotFound) => match archive.last_deletion(org, level, uid).await? {
                Some(before) => {
                    println!("{name}: {}", told_before(&before));
                    return Ok(());
                }
                None => bail!("{name}: there is none"),
            },
            Err(error) => return Err(error).with_context(|| name),
        };
        println!("{name}: {}", told(&extent));
        if !self.yes {
            println!("nothing was deleted; say so with --yes");
            return Ok(());
        }
        let command = DeleteImages {
            org_code: org.clone(),
            level,
            uid: uid.clone(),
            reason: self.reason.clone(),
            unconfirmed: if self.force { Unconfirmed::Delete } else { Unconfirmed::Refuse },
        };
        match archive.delete_images(operator(&format!("delete {word}")), command).await {
            Ok(DeleteOutcome::Deleted(done)) => {
                let (instances, versions, bytes) = (done.instances, done.versions, size(done.bytes));
                println!("deleted: {instances} instance(s), {versions} other content(s), {bytes}");
            }
            Ok(DeleteOutcome::Before(before)) => println!("{}", told_before(&before)),
            Err(Error::Invalid(why)) if extent.unconfirmed > 0 => {
                bail!("{name}: {why}; wait for it (`yingku forward status`), or delete it all the same with --force")
            }
            Err(error) => return Err(error).with_context(|| name),
        }
        Ok(())
    }
}

fn told(extent: &Extent) -> String {
    let Extent { series, instances, versions, bytes, unconfirmed, exams, .. } = extent;
    let mut text = format!("{instances} instance(s) in {series} series, {}", size(*bytes));
    for (count, words) in [
        (versions, "other content(s) under their UIDs"),
        (exams, "exam report(s) linked to the study"),
        (unconfirmed, "instance(s) that an upstream archive has not confirmed"),
    ] {
        if *count > 0 {
            text.push_str(&format!(", {count} {words}"));
        }
    }
    text
}

fn told_before(before: &Deletion) -> String {
    let at = local_text(before.finished_at.unwrap_or(before.begun_at));
    format!("was deleted at {at}, {} instance(s)", before.instances)
}

fn size(bytes: i64) -> HumanBytes {
    HumanBytes(u64::try_from(bytes).unwrap_or_default())
}
