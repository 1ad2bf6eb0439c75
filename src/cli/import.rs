//! `yingku import`: DICOM files and folders, through the same use case as C-STORE.
//!
//! An import that was cut off is simply run again: what is there already is recognised by its content, is read but not
//! written again, and is counted as already there.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use futures_util::StreamExt;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::{ConfigFile, operator, told, with_archive};
use crate::archive::Archive;
use crate::archive::images::store_instance::{Completeness, ReceiveInstance, StoreOutcome};
use crate::dicom::part10::{self, FileMetaError};
use crate::dicom::text::Charset;
use crate::dimse::availability::AvailabilityNotification;

const FILES_AT_ONCE: usize = 8;
const PIECE: usize = 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    file: ConfigFile,
    /// Organisation that the objects belong to; may be left out when only one is configured.
    #[arg(long)]
    organization: Option<String>,
    /// Charset of objects that declare none; `dicom.default_charset` without it.
    #[arg(long)]
    charset: Option<String>,
    /// Files and folders; folders are walked to their ends, links are not followed.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

#[derive(Debug, Default)]
struct Summary {
    stored: u64,
    duplicates: u64,
    versions: u64,
    not_dicom: u64,
    failed: u64,
    bytes: u64,
}

enum Imported {
    Done(StoreOutcome, u64),
    NotDicom,
}

impl Import {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.file.load()?;
        let org_code = match (&self.organization, config.organization.as_slice()) {
            (Some(code), known) if known.iter().any(|o| o.code == *code) => code.clone(),
            (Some(code), _) => bail!("`{code}` is no [[organization]] code"),
            (None, [only]) => only.code.clone(),
            (None, _) => bail!("say whose objects these are: --organization CODE"),
        };
        let charset = match &self.charset {
            Some(name) => Charset::try_from(name.clone())?,
            None => config.dicom.default_charset.clone(),
        };
        let mut files = Vec::new();
        for path in &self.paths {
            collect(path, &mut files).with_context(|| path.display().to_string())?;
        }
        let summary = with_archive(&config, async |archive| {
            // Who is told of new studies is told by the running server, also of these.
            let rules = AvailabilityNotification::rules(&config.dicom, &config.peer);
            import_all(&archive.clone().notifying(rules), &org_code, &charset, files).await
        })
        .await?;
        println!(
            "{} stored, {} already there, {} kept as another version, {} not DICOM, {} failed; {} read",
            summary.stored,
            summary.duplicates,
            summary.versions,
            summary.not_dicom,
            summary.failed,
            HumanBytes(summary.bytes)
        );
        Ok(if summary.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

async fn import_all(
    archive: &Archive,
    org_code: &str,
    charset: &Charset,
    files: Vec<PathBuf>,
) -> anyhow::Result<Summary> {
    let bar = ProgressBar::new(files.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} files, {eta} left {wide_msg}")?);
    let mut summary = Summary::default();
    let mut imports = futures_util::stream::iter(files)
        .map(|file| async move {
            let result = import_file(archive, org_code, charset, &file).await;
            (file, result)
        })
        .buffer_unordered(FILES_AT_ONCE);
    while let Some((file, result)) = imports.next().await {
        bar.inc(1);
        match result {
            Ok(Imported::Done(outcome, bytes)) => {
                summary.bytes += bytes;
                match outcome {
                    StoreOutcome::Stored => summary.stored += 1,
                    StoreOutcome::Duplicate => summary.duplicates += 1,
                    StoreOutcome::NewVersion => summary.versions += 1,
                }
            }
            Ok(Imported::NotDicom) => summary.not_dicom += 1,
            Err(error) => {
                summary.failed += 1;
                bar.suspend(|| eprintln!("{}: {}", file.display(), told(&error)));
            }
        }
    }
    bar.finish_and_clear();
    Ok(summary)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let meta = path.symlink_metadata()?;
    if meta.is_file() {
        files.push(path.to_owned());
    } else if meta.is_dir() {
        let mut entries = std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

async fn import_file(archive: &Archive, org_code: &str, charset: &Charset, path: &Path) -> anyhow::Result<Imported> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; PIECE];
    let mut read = fill(&mut file, &mut piece)?;
    let meta = match part10::read_meta(&piece[..read]) {
        Ok(meta) => meta,
        Err(FileMetaError::NotDicom) => return Ok(Imported::NotDicom),
        Err(error) => return Err(error.into()),
    };
    let mut writer = archive
        .receive_instance(ReceiveInstance {
            org_code: org_code.to_owned(),
            calling_ae_title: String::new(),
            default_charset: charset.clone(),
            sop_class_uid: meta.media_storage_sop_class_uid,
            sop_instance_uid: meta.media_storage_sop_instance_uid,
            transfer_syntax_uid: meta.transfer_syntax_uid,
            completeness: Completeness::Required,
            actor: operator("import"),
        })
        .await?;
    let mut from = meta.dataset_offset as usize;
    while read > 0 {
        writer.write(&piece[from..read]).await?;
        from = 0;
        read = fill(&mut file, &mut piece)?;
    }
    let bytes = writer.length();
    Ok(Imported::Done(writer.commit().await?, bytes))
}

fn fill(file: &mut File, piece: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < piece.len() {
        match file.read(&mut piece[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}
