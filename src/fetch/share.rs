//! Which folder or server a registered share is read from, and the names below it (D-I8).
//!
//! `reports.mount` says where the system has mounted a share or a drive, `reports.smb` which one is read over SMB; what no entry
//! covers is not read. `..` never leads out of an entry.

use super::mounted::Mounted;
use super::smb::SmbFile;
use super::source::Source;
use super::{Error, ReportsConfig};

/// A file below an entry.
#[derive(Debug)]
pub(super) enum SharedFile {
    Mounted(Mounted),
    Smb(SmbFile),
}

/// The file that a path names, below the entry that covers most of it; of two alike what is mounted goes before.
pub(super) fn locate(config: &ReportsConfig, path: &str, host: &str) -> Result<SharedFile, Error> {
    let refused = || Error::NotAllowed(host.to_owned());
    let names: Vec<&str> = names_of(path).collect();
    if names.iter().any(|name| *name == ".." || name.chars().any(char::is_control)) {
        return Err(refused());
    }
    let mount = longest(config.mount.iter(), |mount| &mount.share, path);
    let smb = longest(config.smb.iter(), |smb| &smb.share, path);
    let below = |depth: usize| {
        let below: Vec<String> = names[depth..].iter().map(|name| (*name).to_owned()).collect();
        // A colon names a stream of a file on Windows, not a file.
        let usable = !below.is_empty() && below.iter().all(|name| !name.contains(':'));
        usable.then_some(below).ok_or_else(refused)
    };
    match (mount, smb) {
        (Some((depth, mount)), other) if other.is_none_or(|(than, _)| depth >= than) => {
            Ok(SharedFile::Mounted(Mounted { mount: mount.clone(), names: below(depth)?, host: host.to_owned() }))
        }
        (_, Some((depth, smb))) => SmbFile::new(smb, &below(depth)?, host).map(SharedFile::Smb).ok_or_else(refused),
        _ => Err(refused()),
    }
}

/// The entry that covers most of a path, and how many names that are.
fn longest<'e, T>(
    entries: impl Iterator<Item = &'e T>,
    share: impl Fn(&T) -> &str,
    path: &str,
) -> Option<(usize, &'e T)> {
    entries.filter_map(|entry| Some((covered(share(entry), path)?, entry))).max_by_key(|(depth, _)| *depth)
}

/// How many names of a path an entry covers, when it does.
fn covered(share: &str, path: &str) -> Option<usize> {
    let Ok(Source::Share(share)) = Source::parse(share) else { return None };
    if share.starts_with("//") != path.starts_with("//") {
        return None;
    }
    let above: Vec<String> = names_of(&share).map(str::to_lowercase).collect();
    let same = names_of(path).map(str::to_lowercase).zip(&above).filter(|(name, above)| name == *above).count();
    (same == above.len()).then_some(above.len())
}

/// The names of a path.
pub(super) fn names_of(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::allow::PathCase;
    use super::super::mounted::Mount;
    use super::super::smb::SmbShare;
    use super::*;

    fn config(mounts: &[&str], smb: &[&str]) -> ReportsConfig {
        let mount = |share: &&str| Mount {
            share: (*share).to_owned(),
            folder: PathBuf::from("/m"),
            path_case: PathCase::Sensitive,
        };
        ReportsConfig {
            mount: mounts.iter().map(mount).collect(),
            smb: smb.iter().map(|share| SmbShare { share: (*share).to_owned(), ..SmbShare::default() }).collect(),
            ..ReportsConfig::default()
        }
    }

    #[test]
    fn the_longest_entry_that_covers_a_path_is_taken() {
        let config =
            config(&[r"\\srv\rpt", r"\\srv\rpt\lab", r"R:\", "file:///export/rpt"], &[r"\\srv\rpt\ct", r"\\srv\rpt"]);
        let found = |path: &str| match locate(&config, path, "srv").unwrap() {
            SharedFile::Mounted(file) => format!("{} {}", file.mount.share, file.names.join("/")),
            SharedFile::Smb(file) => format!("smb {}", file.path()),
        };
        assert_eq!(found("//SRV/Rpt/2026/a.pdf"), r"\\srv\rpt 2026/a.pdf");
        assert_eq!(found("//srv/rpt/LAB/a.pdf"), r"\\srv\rpt\lab a.pdf");
        assert_eq!(found("//srv/rpt/CT/2026/a.pdf"), r"smb \ct\2026\a.pdf");
        assert_eq!(found("r:/x/a.pdf"), r"R:\ x/a.pdf");
        assert_eq!(found("/export/rpt/a.pdf"), "file:///export/rpt a.pdf");
    }

    #[test]
    fn what_no_entry_covers_is_refused() {
        for config in [config(&[r"\\srv\rpt"], &[]), config(&[], &[r"\\srv\rpt"])] {
            for path in [
                "//srv/rpt",
                "//srv",
                "//srv/rpt-secret/a.pdf",
                "//srv/rpt/../etc/passwd",
                "//srv/rpt/x/../../a.pdf",
                "//other/rpt/a.pdf",
                "/srv/rpt/a.pdf",
                "//srv/rpt/a.pdf:stream",
                "//srv/rpt/a\n.pdf",
            ] {
                assert!(matches!(locate(&config, path, "srv"), Err(Error::NotAllowed(_))), "{path}");
            }
        }
    }
}
