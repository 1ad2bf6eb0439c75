//! C-FIND (PS3.7 section 9.1.2, PS3.4 annex C): what is there?
//!
//! The identifier is read in its own character set, the archive finds, and each match goes out as a pending response in
//! the character set of the request, else that of the peer's configuration, else UTF-8; a match with other characters
//! goes out in UTF-8. Matches come from the index page by page, so that memory does not grow with their number. The
//! peer can cancel at any time.

mod answer;
mod request;

use std::time::Duration;

use metrics::{counter, histogram};
use tokio::time::{Instant, timeout_at};

use super::association::{Association, AssociationError};
use super::message::Command;
use super::status::{self, Status};
use crate::archive::peers::find::{Find, FindOutcome, Finding};
use answer::Answerer;
use request::{Asked, Refusal};

/// Responses are gathered up to so many bytes before they are sent.
const GATHERED_BYTES: usize = 64 * 1024;

/// Answers a C-FIND-RQ.
pub(super) async fn serve(
    association: &mut Association,
    context_id: u8,
    request: &Command,
) -> Result<(), AssociationError> {
    let started = std::time::Instant::now();
    let max_bytes = association.find.max_identifier_bytes;
    let identifier = match association.collect_data_set(context_id, request, max_bytes).await? {
        Ok(identifier) => Ok(identifier),
        Err(_too_long) => Err(Refusal::new(Status::OUT_OF_RESOURCES, "identifier is too long")),
    };
    let asked = identifier.and_then(|identifier| request::read(association, context_id, &identifier));
    let (outcome, response) = match asked {
        Err(refusal) => {
            tracing::info!(
                peer.ae_title = %association.caller.ae_title,
                peer.addr = %association.caller.address,
                status = %refusal.status,
                reason = refusal.comment,
                "a query was refused"
            );
            ("refused", refusal.response(request))
        }
        Ok(asked) => answer(association, context_id, request, asked).await?,
    };
    histogram!("yingku_dimse_find_seconds").record(started.elapsed().as_secs_f64());
    counter!("yingku_dimse_found_total", "outcome" => outcome).increment(1);
    association.respond(context_id, &response).await
}

/// Sends all matches; gives the last response. The association's own end is the error.
async fn answer(
    association: &mut Association,
    context_id: u8,
    request: &Command,
    asked: Asked,
) -> Result<(&'static str, Command), AssociationError> {
    let answerer = Answerer::new(association, context_id, &asked);
    let mut finding = association.archive.begin_find(Find {
        query: asked.query,
        readable: association.archive.readable(&association.caller.reads),
        actor: association.caller.actor(),
        limits: association.find.limits.clone(),
    });
    let pending = if asked.has_unsupported_keys { Status::PENDING_WITH_UNSUPPORTED_KEYS } else { Status::PENDING };
    let pending = request.pending_response(pending);
    let sent = send_matches(association, context_id, request.message_id(), &mut finding, &answerer, &pending).await;
    let (outcome, response) = match &sent {
        Ok(Ended::Complete) => (FindOutcome::Complete, request.response(Status::SUCCESS, "")),
        Ok(Ended::Cancelled) => (FindOutcome::Cancelled, request.response(Status::CANCELLED, "")),
        Ok(Ended::Limited) => (
            FindOutcome::Limited,
            request.response(Status::OUT_OF_RESOURCES, "there are more matches, narrow the query"),
        ),
        Ok(Ended::TooSlow) => {
            (FindOutcome::Failed, request.response(Status::OUT_OF_RESOURCES, "query takes too long, narrow it"))
        }
        Ok(Ended::Failed(error)) => {
            let (status, comment) = status::of_find_error(error);
            tracing::warn!(
                peer.ae_title = %association.caller.ae_title,
                peer.addr = %association.caller.address,
                %status,
                %error,
                "a query was not answered"
            );
            (FindOutcome::Failed, request.response(status, comment))
        }
        Err(_) => (FindOutcome::Failed, request.response(Status::CANNOT_UNDERSTAND, "")),
    };
    let noted = finding.finish(outcome).await;
    sent?;
    match noted {
        Ok(()) => Ok((word(outcome), response)),
        Err(error) => {
            tracing::error!(peer.ae_title = %association.caller.ae_title, %error, "a query could not be audited");
            let (status, comment) = status::of_find_error(&error);
            Ok((word(FindOutcome::Failed), request.response(status, comment)))
        }
    }
}

/// Why no more matches are sent.
enum Ended {
    Complete,
    Cancelled,
    Limited,
    TooSlow,
    Failed(crate::archive::Error),
}

async fn send_matches(
    association: &mut Association,
    context_id: u8,
    message_id: u16,
    finding: &mut Finding,
    answerer: &Answerer,
    pending: &Command,
) -> Result<Ended, AssociationError> {
    let limit = Duration::from_millis(association.find.match_timeout_ms);
    let mut gathered = Vec::new();
    let ended = loop {
        if !finding.is_ready() && !gathered.is_empty() {
            association.write(&gathered).await?;
            gathered.clear();
        }
        let deadline = Instant::now() + limit;
        let next = {
            let mut next = std::pin::pin!(timeout_at(deadline, finding.next()));
            loop {
                tokio::select! {
                    biased;
                    received = association.incoming() => {
                        if association.is_cancel(received?, message_id).await? {
                            break None;
                        }
                    }
                    next = &mut next => break Some(next),
                }
            }
        };
        let found = match next {
            None => break Ended::Cancelled,
            Some(Err(_elapsed)) => break Ended::TooSlow,
            Some(Ok(Err(error))) => break Ended::Failed(error),
            Some(Ok(Ok(None))) => break Ended::Complete,
            Some(Ok(Ok(Some(found)))) => found,
        };
        if finding.given() > association.find.max_matches {
            break Ended::Limited;
        }
        association.put_response(&mut gathered, context_id, pending, &answerer.identifier(&found));
        if gathered.len() >= GATHERED_BYTES {
            association.write(&gathered).await?;
            gathered.clear();
        }
    };
    if !gathered.is_empty() && !matches!(ended, Ended::Cancelled) {
        association.write(&gathered).await?;
    }
    Ok(ended)
}

fn word(outcome: FindOutcome) -> &'static str {
    match outcome {
        FindOutcome::Complete => "complete",
        FindOutcome::Limited => "limited",
        FindOutcome::Cancelled => "cancelled",
        FindOutcome::Failed => "failed",
    }
}
