//! Secrets that stand in files of their own are read before anything is checked.

use std::path::Path;

use super::{Config, Error};

pub(super) fn read(config: &mut Config) -> Result<(), Error> {
    for customer in &mut config.customer {
        if let Some(path) = &customer.secret_file {
            customer.secret.0 = first_line(path)?;
        }
        if let Some(path) = &customer.previous_secret_file {
            customer.previous_secret.0 = first_line(path)?;
        }
    }
    for client in &mut config.client {
        if let Some(path) = &client.key_file {
            client.key = first_line(path)?;
        }
    }
    for sender in &mut config.sender {
        if let Some(path) = &sender.app_id_file {
            sender.app_id = first_line(path)?;
        }
        if let Some(path) = &sender.basic_password_file {
            sender.basic_password = first_line(path)?;
        }
    }
    if let Some(path) = &config.objects.secret_access_key_file {
        config.objects.secret_access_key = first_line(path)?;
    }
    Ok(())
}

fn first_line(path: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::Read { path: path.to_owned(), error })?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
