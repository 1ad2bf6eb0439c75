//! `yingku serve`

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{ConfigFile, demo};
use crate::server::{Reload, Server};
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    file: ConfigFile,
    /// Begin with a synthetic hospital when the archive is empty, and print signed links that open.
    ///
    /// Without --config a configuration with fresh secrets is written to storage/demo.toml and used.
    #[arg(long)]
    demo: bool,
}

impl Serve {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let started = Instant::now();
        let file = match (&self.file.config, self.demo) {
            (None, true) => ConfigFile { config: Some(demo::configuration_file()?) },
            _ => self.file.clone(),
        };
        let config = file.load()?;
        telemetry::init_log(&config.log)?;
        let server = Server::open(config.clone()).await?;
        tracing::info!(
            http.addr = %server.http_addr(),
            dicom.addr = %server.dicom_addr(),
            dicom.ae_title = %config.dicom.ae_title,
            took_ms = started.elapsed().as_millis() as u64,
            "ready"
        );
        let shutdown = CancellationToken::new();
        tokio::spawn(cancel_on_signal(shutdown.clone()));
        if self.demo {
            let stop = shutdown.clone();
            let (http, dicom) = (server.http_addr(), server.dicom_addr());
            let archive = server.archive().clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    shown = demo::show(&config, &archive, http, dicom) => {
                        if let Err(error) = shown {
                            tracing::error!(error = format!("{error:#}"), "the demo hospital could not be loaded");
                        }
                    }
                }
            });
        } else {
            follow_hangups(file, server.reload());
        }
        server.run(shutdown).await?;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads the configuration again at each SIGHUP, and takes over what a running server can.
#[cfg(unix)]
fn follow_hangups(file: ConfigFile, reload: Reload) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => return tracing::warn!(%error, "SIGHUP cannot be caught; another configuration needs a restart"),
    };
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            tokio::task::block_in_place(|| read_again(&file, &reload));
        }
    });
}

#[cfg(not(unix))]
fn follow_hangups(_: ConfigFile, _: Reload) {}

#[cfg(unix)]
fn read_again(file: &ConfigFile, reload: &Reload) {
    match file.load().and_then(|config| reload.take_over(config).map_err(Into::into)) {
        Ok(waiting) => {
            tracing::info!("the configuration was read again: peers, senders, clients and customers are taken over");
            for part in waiting {
                tracing::warn!(part, "the configuration has changed, and needs a restart");
            }
        }
        Err(error) => tracing::error!(
            error = format!("{error:#}"),
            "the configuration was not taken over; everything stays as it was"
        ),
    }
}

/// The first signal asks for a graceful stop; a second one ends the process at once.
async fn cancel_on_signal(shutdown: CancellationToken) {
    wait_for_signal().await;
    tracing::info!("stopping: finishing what is under way; another signal stops at once");
    shutdown.cancel();
    wait_for_signal().await;
    std::process::exit(130);
}

async fn wait_for_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
                return;
            }
            Err(error) => tracing::warn!(%error, "SIGTERM cannot be caught; only ctrl-c stops gracefully"),
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
