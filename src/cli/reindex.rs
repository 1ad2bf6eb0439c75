//! `yingku reindex`

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use indicatif::{HumanBytes, ProgressBar};

use super::ConfigFile;
use crate::archive::upkeep::reindex::{LeftOut, ReindexRules};

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
}

impl Reindex {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.file.load()?;
        if let Some(code) = &self.organization
            && !config.organization.iter().any(|organization| organization.code == *code)
        {
            bail!("`{code}` is no [[organization]] code");
        }
        let charset = |peer: &crate::dimse::PeerConfig| Some((peer.ae_title.to_string(), peer.charset.clone()?));
        let rules = ReindexRules {
            organization: self.organization,
            default_charset: config.dicom.default_charset.clone(),
            charsets: config.peer.iter().filter_map(charset).collect(),
        };
        let archive = crate::server::open_archive(&config).await?;
        let bar = ProgressBar::new_spinner();
        if self.text {
            let done = archive.reindex_texts(&rules, |done| bar.set_position(done.studies)).await;
            bar.finish_and_clear();
            archive.release().await?;
            let done = done?;
            println!(
                "{} studies looked at, {} with other texts now, {} without an object that could be read",
                done.studies, done.changed, done.unread
            );
            return Ok(ExitCode::SUCCESS);
        }
        let done = archive.reindex(&rules, |done| bar.set_position(done.seen)).await;
        bar.finish_and_clear();
        archive.release().await?;
        let done = done?;
        for (place, why) in &done.told {
            let why = match why {
                LeftOut::Unfinished => "was never finished",
                LeftOut::Damaged => "is damaged",
                LeftOut::Unplaceable(why) => why,
                LeftOut::NoOrganization => "names no organisation (--organization CODE)",
            };
            println!("{} at {}: {why}", place.key, place.offset);
        }
        println!(
            "{} object(s) seen, {} indexed, {} as another version, {} known, {} twice, {} deleted, {} left out; {} read",
            done.seen,
            done.indexed,
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
