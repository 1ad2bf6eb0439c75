//! Secrets that stand in files of their own are read before anything is checked.
//!
//! The passwords of the database and of report servers are read by their owners; that they can be read is known here.

use std::fmt::Display;
use std::io::{Error as IoError, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Config, Error};

pub(super) fn read(config: &mut Config) -> Result<(), Error> {
    for (i, customer) in config.customer.iter_mut().enumerate() {
        fill(&mut customer.secret.0, &customer.secret_file, format_args!("customer.{i}.secret_file"))?;
        let key = format_args!("customer.{i}.previous_secret_file");
        fill(&mut customer.previous_secret.0, &customer.previous_secret_file, key)?;
    }
    fill(&mut config.pages.customer_key.0, &config.pages.customer_key_file, "pages.customer_key_file")?;
    for (i, client) in config.client.iter_mut().enumerate() {
        fill(&mut client.key, &client.key_file, format_args!("client.{i}.key_file"))?;
    }
    for (i, sender) in config.sender.iter_mut().enumerate() {
        fill(&mut sender.app_id, &sender.app_id_file, format_args!("sender.{i}.app_id_file"))?;
        let key = format_args!("sender.{i}.basic_password_file");
        fill(&mut sender.basic_password, &sender.basic_password_file, key)?;
    }
    for (i, upstream) in config.upstream.iter_mut().enumerate() {
        fill(&mut upstream.token.0, &upstream.token_file, format_args!("upstream.{i}.token_file"))?;
        let reports = &mut upstream.reports;
        fill(&mut reports.app_id.0, &reports.app_id_file, format_args!("upstream.{i}.reports.app_id_file"))?;
        let key = format_args!("upstream.{i}.reports.basic_password_file");
        fill(&mut reports.basic_password.0, &reports.basic_password_file, key)?;
    }
    for (i, peer) in config.peer.iter_mut().enumerate() {
        fill(&mut peer.passcode.0, &peer.passcode_file, format_args!("peer.{i}.passcode_file"))?;
        let key = format_args!("peer.{i}.scu.passcode_file");
        fill(&mut peer.scu.passcode.0, &peer.scu.passcode_file, key)?;
    }
    let objects = &mut config.objects;
    fill(&mut objects.secret_access_key, &objects.secret_access_key_file, "objects.secret_access_key_file")?;
    if let Some(path) = &config.database.password_file {
        first_line(path, "database.password_file")?;
    }
    for (i, credential) in config.reports.credential.iter().enumerate() {
        first_line(&credential.password_file, format_args!("reports.credential.{i}.password_file"))?;
    }
    Ok(())
}

fn fill(secret: &mut String, file: &Option<PathBuf>, key: impl Display) -> Result<(), Error> {
    if let Some(path) = file {
        *secret = first_line(path, key)?;
    }
    Ok(())
}

/// An empty file is an error: it would otherwise mean that no secret is asked for.
fn first_line(path: &Path, key: impl Display) -> Result<String, Error> {
    let failed = |error| Error::SecretFile { key: key.to_string(), path: path.to_owned(), error };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() { Err(failed(IoError::new(ErrorKind::InvalidData, "is empty"))) } else { Ok(line.to_owned()) }
}
