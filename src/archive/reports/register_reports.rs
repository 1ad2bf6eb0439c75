//! Registers a batch of exam and lab reports: one transaction for each report with its lines, never all or nothing
//! (D-R8, D-R32), and notes the outcome with the message that brought the batch.
//!
//! What one transaction holds: the rows, links to images, the job that fetches the report file, the audit record, and
//! for a batch of one report also the raw message with its result, so that such a call is one commit.

use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::json;

use super::batch_outcome::{BatchOutcome, RecordOutcome, count, rejected_of};
use super::keep_message::InboundMessage;
use super::plan_batch::{Unit, prepare};
use super::prepare_report::{By, RegistrationRules, Submitted};
use super::report_codes::Code;
use crate::archive::peers::retrieve_exam::Fetched;
use crate::archive::{Archive, Error};
use crate::documents::ComposeLab;
use crate::domain::Actor;
use crate::domain::date_time::local_text;
use crate::domain::dictionary::Dictionaries;
use crate::domain::exam_report::ExamField;
use crate::domain::lab_report::{LabField, LabItemField};
use crate::index::Tx;
use crate::index::audit::{self, AuditRecord};
use crate::index::inbox::{self, InboxMessage};
use crate::index::rejected_records;

/// Transactions of one batch that are under way at the same time; they share commits.
const WIDTH: usize = 16;

/// A batch to register.
#[derive(Debug, Clone)]
pub struct RegisterReports {
    /// Who brings it: the sender, or who takes up a kept message again.
    pub actor: Actor,
    /// The message that brought it, and whether it has just come.
    pub origin: Origin,
    /// How records are judged.
    pub rules: Arc<RegistrationRules>,
    /// Exam reports in order.
    pub exams: Vec<Submitted<ExamField>>,
    /// Heads of lab reports in order.
    pub labs: Vec<Submitted<LabField>>,
    /// Lines of lab reports in order; they need not belong to the heads of the same batch (D-R10).
    pub items: Vec<Submitted<LabItemField>>,
}

/// How a batch comes to be registered.
#[derive(Debug, Clone)]
pub enum Origin {
    /// It has just come from the actor, and its message is to be kept (D-X2).
    JustCame(InboundMessage),
    /// It was kept and is taken up again (D-X2): what has no stamp has the time of its receipt, and what a later message
    /// has changed stays.
    TakenUpAgain {
        /// The kept message.
        message_pk: i64,
        /// Who had sent it.
        sender: String,
        /// When it had come, milliseconds since 1970 UTC.
        received_at: i64,
    },
}

/// What all transactions of a batch need.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) message_pk: i64,
    pub(super) actor: Actor,
    /// Whose records they are.
    pub(super) sender: String,
    pub(super) rules: Arc<RegistrationRules>,
    pub(super) now: i64,
    /// When the message came.
    pub(super) received_at: i64,
    /// The message, when it is taken up again.
    pub(super) replayed: Option<i64>,
    pub(super) fetched: Fetched,
    pub(super) compose_lab: ComposeLab,
    pub(super) dictionaries: Arc<Dictionaries>,
}

impl Context {
    pub(super) fn by(&self) -> By<'_> {
        By { rules: &self.rules, dictionaries: &self.dictionaries }
    }
}

impl Archive {
    /// Registers a batch and keeps its message. An error means that the message or its result could not be kept; its
    /// records may be stored, and sending the message again does no harm.
    pub async fn register_reports(&self, command: RegisterReports) -> Result<BatchOutcome, Error> {
        let RegisterReports { actor, origin, rules, exams, labs, items } = command;
        let now = self.clock.now_ms();
        let (message_pk, message, sender, received_at, replayed) = match origin {
            Origin::JustCame(message) => {
                (self.ids.next(), Some(message.for_inbox().await), actor.name.clone(), now, None)
            }
            Origin::TakenUpAgain { message_pk, sender, received_at } => {
                (message_pk, None, sender, received_at, Some(message_pk))
            }
        };
        let fetched = self.fetched.clone();
        let (dictionaries, compose_lab) = (self.dictionaries(), self.documents.config().compose_lab);
        let context = Context {
            message_pk,
            actor,
            sender,
            rules,
            now,
            received_at,
            replayed,
            fetched,
            compose_lab,
            dictionaries,
        };
        let plan = match prepare(&context, exams, labs, items).await {
            Some(plan) => plan,
            None => {
                // For somebody to look at; it stays open.
                self.keep(message_pk, now, message).await?;
                return Err(Error::Invalid("the batch could not be prepared".to_owned()));
            }
        };
        // The message of one report is kept in the transaction of the report. Any other is kept before its reports are.
        let alone = plan.units.len() == 1 && plan.rejected.is_empty();
        let mut together = None;
        if alone {
            together = message;
        } else {
            self.keep(message_pk, now, message).await?;
        }
        let width = if plan.repeats { 1 } else { WIDTH };
        let mut outcome = BatchOutcome { records: Vec::new(), message_pk };
        let settle = |unit| self.settle(&context, unit, together.as_ref());
        let mut settled = futures_util::stream::iter(plan.units.into_iter().map(settle)).buffered(width);
        let mut failed = false;
        while let Some((records, stored)) = settled.next().await {
            failed |= !stored;
            outcome.records.extend(records);
        }
        drop(settled);
        outcome.records.extend(plan.rejected);
        count(&outcome);
        if together.is_none() || failed {
            self.finish(&context, &outcome, together.take()).await?;
        }
        Ok(outcome)
    }

    /// Keeps a message whose end is not known yet, before anything is done with it.
    async fn keep(&self, message_pk: i64, now: i64, message: Option<InboxMessage>) -> Result<(), Error> {
        let Some(message) = message else { return Ok(()) };
        self.index
            .write(move |tx| Box::pin(async move { inbox::insert(tx, message_pk, now, message, None).await }))
            .await
            .map_err(Error::from)
    }

    /// Runs one unit's transaction; what fails is told as rejected, so that the sender sends it again.
    async fn settle(
        &self,
        context: &Context,
        unit: Unit,
        together: Option<&InboxMessage>,
    ) -> (Vec<RecordOutcome>, bool) {
        if let Some(said) = unit.said() {
            self.add_patient_ahead(said).await;
        }
        // Two callers may meet at the unique key of another row, or wait for each other: the later one looks again.
        for attempt in 0..3 {
            match self.write_unit(context.clone(), unit.clone(), together.cloned()).await {
                Ok(records) => return (records, true),
                Err(Error::Index(error)) if error.is_lost_race() && attempt < 2 => {}
                Err(error) => {
                    tracing::error!(message.pk = context.message_pk, %error, "report not registered");
                    break;
                }
            }
        }
        let records = unit.rejected(Code::NotStored);
        (records, false)
    }

    async fn write_unit(
        &self,
        context: Context,
        unit: Unit,
        together: Option<InboxMessage>,
    ) -> Result<Vec<RecordOutcome>, Error> {
        let (ids, rules) = (self.ids.clone(), self.link_rules);
        let names = match &unit {
            Unit::Exam(_, exam) => super::register_exam::names(exam),
            Unit::Lab(lab) => super::register_lab::names(lab),
        };
        self.index
            .write_holding(&names, move |tx| {
                Box::pin(async move {
                    let records = match unit {
                        Unit::Exam(place, exam) => {
                            let outcome = super::register_exam::write(tx, &ids, &context, rules, *exam).await?;
                            vec![RecordOutcome { place, ..outcome }]
                        }
                        Unit::Lab(lab) => super::register_lab::write(tx, &ids, &context, lab).await?,
                    };
                    let Some(message) = together else { return Ok(records) };
                    let outcome = BatchOutcome { records, message_pk: context.message_pk };
                    let ended = (outcome.state(), outcome.as_result());
                    inbox::insert(tx, context.message_pk, context.now, message, Some(ended)).await?;
                    Ok(outcome.records)
                })
            })
            .await
    }

    /// Notes with the message what became of it, or keeps it now that its report could not be stored with it.
    async fn finish(
        &self,
        context: &Context,
        outcome: &BatchOutcome,
        message: Option<InboxMessage>,
    ) -> Result<(), Error> {
        let (state, result) = (outcome.state(), outcome.as_result());
        let codes: Vec<&str> =
            outcome.records.iter().filter_map(|record| record.code.map(Code::as_str)).take(100).collect();
        let is_replay = context.replayed.is_some();
        let record = (!codes.is_empty() || is_replay).then(|| AuditRecord {
            action: if is_replay { "replay_message" } else { "register_reports" },
            actor: context.actor.clone(),
            org_code: String::new(),
            target: format!("message:{}", context.message_pk),
            outcome: if codes.is_empty() { "ok" } else { "rejected" },
            detail: json!({ "rejected": outcome.failed(), "codes": codes }),
        });
        // Who sends a rejected record again has it counted again; who takes the message up has not.
        let rejected = if is_replay { Vec::new() } else { rejected_of(context, outcome) };
        let day = local_text(context.now).chars().take(10).collect::<String>();
        let (message_pk, now, audit_id) = (context.message_pk, context.now, self.ids.next());
        let sender = is_replay.then(|| context.sender.clone());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    match (message, sender) {
                        (Some(message), _) => {
                            inbox::insert(tx, message_pk, now, message, Some((state, result))).await?
                        }
                        (None, Some(sender)) => {
                            inbox::finish_replay(tx, message_pk, now, &sender, state, &result).await?;
                        }
                        (None, None) => inbox::finish(tx, message_pk, now, state, &result).await?,
                    }
                    for rejected in &rejected {
                        rejected_records::add(tx, &day, rejected).await?;
                    }
                    match record {
                        Some(record) => audit::record(tx, audit_id, now, &record).await,
                        None => Ok(()),
                    }
                })
            })
            .await
            .map_err(Error::from)
    }
}

/// Audits what one transaction did.
pub(super) async fn record_audit(
    tx: &mut Tx,
    ids: &crate::index::Ids,
    context: &Context,
    action: &'static str,
    target: String,
    records: &[RecordOutcome],
) -> Result<(), crate::index::Error> {
    let Some(first) = records.first() else { return Ok(()) };
    let mut codes: Vec<&str> = records.iter().flat_map(|r| &r.notes).map(|note| note.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    let record = AuditRecord {
        action,
        actor: context.actor.clone(),
        org_code: first.org_code.clone(),
        target,
        outcome: first.status.as_str(),
        detail: json!({ "message": context.message_pk, "records": records.len(), "codes": codes }),
    };
    audit::record(tx, ids.next(), context.now, &record).await
}
