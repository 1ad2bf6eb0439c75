//! `yingku reindex`

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use indicatif::{HumanBytes, ProgressBar};

use super::{ConfigFile, with_archive};
use crate::archive::upkeep::reindex::LeftOut;
use crate::dicom::text::Charset;

#[derive(Debug, Args)]
pub(super) struct Reindex {
    #[command(flatten)]
    file: ConfigFile,
    /// Organisation of objects that do not name theirs (stored by a first version); they are left out without it.
    #[arg(long)]
    organization: Option<String>,
    /// Only read the texts of existing rows again, e.g. patients' names after `charset` of a peer was put right; of the
    /// studies of --organization, else of all. The server may run meanwhile.
    #[arg(long)]
    text: bool,
    /// Charset of objects that came from no peer (watched folders, imports) and declare none, in the place of the one that
    /// was noted when they came.
    #[arg(long)]
    charset: Option<String>,
}

impl Reindex {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.file.load()?;
        if let Some(code) = &self.organization
            && !config.organization.iter().any(|organization| organization.code == *code)
        {
            bail!("`{code}` is no [[organization]] code");
        }
        let mut rules = crate::server::reading_back(&config, self.organization);
        if let Some(name) = &self.charset {
            let charset = Charset::parse(name)?;
            let no_title = |code: &String| ((code.clone(), String::new()), charset.clone());
            rules.charsets.extend(config.organization.iter().map(|organization| no_title(&organization.code)));
        }
        let bar = ProgressBar::new_spinner();
        if self.text {
            let done = with_archive(&config, async |archive| {
                Ok(archive.reindex_texts(&rules, |done| bar.set_position(done.studies)).await?)
            })
            .await?;
            bar.finish_and_clear();
            println!(
                "{} studies looked at, {} with other texts now, {} without an object that could be read",
                done.studies, done.changed, done.unread
            );
            return Ok(ExitCode::SUCCESS);
        }
        let done = with_archive(&config, async |archive| {
            Ok(archive.reindex(&rules, |done| bar.set_position(done.seen)).await?)
        })
        .await?;
        bar.finish_and_clear();
        for (place, why) in &done.told {
            let why = match why {
                LeftOut::Unfinished => "was never finished",
                LeftOut::Damaged => "is damaged",
                LeftOut::Unreadable => "cannot be read",
                LeftOut::Unplaceable(why) => why,
                LeftOut::NoNote => "is an attachment that does not say what it belongs to: bring its file again",
                LeftOut::NoOrganization => "names no organisation (--organization CODE)",
            };
            println!("{} at {}: {why}", place.key, place.offset);
        }
        println!(
            "{} object(s) seen, {} indexed, {} attachment(s), {} as another version, {} known, {} twice, {} deleted, {} left out; {} read",
            done.seen,
            done.indexed,
            done.attachments,
            done.versions,
            done.known,
            done.duplicates,
            done.deleted,
            done.left_out,
            HumanBytes(done.bytes)
        );
        let lost = done.told.iter().any(|(_, why)| !matches!(why, LeftOut::Unfinished));
        Ok(if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
