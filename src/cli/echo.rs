//! `yingku echo`: whether a configured peer answers, called as the server would call it.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;

use super::ConfigFile;
use crate::dimse::PeerConfig;
use crate::dimse::scu::{Answer, Association, Error, Proposal, ScuTarget};

#[derive(Debug, Args)]
pub(super) struct Echo {
    #[command(flatten)]
    file: ConfigFile,
    /// AE titles of the peers; all that have a `host` when none is named.
    ae_title: Vec<String>,
}

impl Echo {
    /// Fails when one of the peers does not answer with success.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.file.load()?;
        let mut asked: Vec<&PeerConfig> = Vec::new();
        for title in &self.ae_title {
            let of_title = |peer: &&PeerConfig| peer.ae_title.as_str() == title;
            let Some(known) = config.peer.iter().find(of_title) else { bail!("no [[peer]] is called `{title}`") };
            if known.host.is_empty() && config.peer.iter().filter(of_title).all(|peer| peer.host.is_empty()) {
                bail!("the [[peer]] `{title}` has no host: it is never called");
            }
            asked.extend(config.peer.iter().filter(of_title));
        }
        if self.ae_title.is_empty() {
            asked.extend(&config.peer);
        }
        asked.retain(|peer| !peer.host.is_empty());
        let mut code = ExitCode::SUCCESS;
        for peer in asked {
            let target = ScuTarget::of_peer(&config.dicom, peer);
            let began = Instant::now();
            let answered = echo(&target).await;
            if !answered.as_ref().is_ok_and(|answer| answer.status.is_done()) {
                code = ExitCode::FAILURE;
            }
            println!("{}", line(peer, &target, &answered, began.elapsed()));
        }
        Ok(code)
    }
}

async fn echo(target: &ScuTarget) -> Result<Answer, Error> {
    let mut association = Association::connect(target, &[Proposal::verification()]).await?;
    let answer = association.echo().await?;
    // It has answered, however it takes leave.
    let _ = association.release().await;
    Ok(answer)
}

fn line(peer: &PeerConfig, target: &ScuTarget, answered: &Result<Answer, Error>, took: Duration) -> String {
    let told = match answered {
        Ok(answer) if answer.status.is_done() => format!("answered {} in {} ms", answer.status, took.as_millis()),
        Ok(Answer { status, comment }) => format!("answered {status} {comment}"),
        Err(error) => error.to_string(),
    };
    let wire = if target.tls.is_some() { "TLS" } else { "no TLS" };
    let (calling, called) = (&target.calling_ae_title, &target.called_ae_title);
    format!("{}  {}:{}, {wire}, {calling} calls {called}: {}", peer.ae_title, target.host, target.port, told.trim_end())
}
