//! Finds the reports of a patient for a querying system: GetLabInfo and GetExamInfo (D-Q1 to D-Q11).
//!
//! A client without organisations of its own sees what is shared: reviewed reports, and VIP or restricted ones only with
//! that right. A client of certain organisations sees theirs alone, and all of them (D-P24, D-R22). Withdrawn reports
//! are never seen (D-R18). Every query is kept and audited, with the identity hashed.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::keep_message::{InboundMessage, MessageState};
use super::report_codes::Code;
use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::domain::date_time::{self, Moment};
use crate::domain::exam_report::ExamField;
use crate::domain::identity::Identity;
use crate::domain::lab_report::LabField;
use crate::domain::record::{Field, Record};
use crate::index::audit::{self, AuditRecord};
use crate::index::exam_reports::{self, ReportSearch};
use crate::index::persons::WholePerson;
use crate::index::{inbox, lab_reports};

pub use crate::index::exam_reports::FoundExam;
pub use crate::index::lab_reports::FoundLab;

/// A question for the reports of one patient.
#[derive(Debug, Clone)]
pub struct FindReports {
    /// Who asks.
    pub actor: Actor,
    /// The message that asked, without its key.
    pub message: InboundMessage,
    /// Two values, either of which may be an identity number or a card number (D-Q1).
    pub identities: [String; 2],
    /// Begin as written, empty for none.
    pub from: String,
    /// End as written, empty for none.
    pub to: String,
    /// Only these organisations, which are the asker's own; all when `None`.
    pub organizations: Option<Vec<String>>,
    /// Whether VIP and restricted reports of other organisations are shown.
    pub vip: bool,
    /// Limits and rules.
    pub rules: QueryRules,
}

/// Limits and rules of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryRules {
    /// Longest time between begin and end, in days (D-Q4).
    pub max_span_days: i64,
    /// Most reports in one answer (D-Q11).
    pub max_reports: usize,
    /// Leave out reports that contradict one of two values given (D-Q2).
    pub strict_identity: bool,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// Newest first.
    pub reports: Vec<T>,
    /// Whether there are more than are given.
    pub cut: bool,
}

/// An answer, or why there is none.
pub type FindOutcome<T> = Result<Found<T>, Code>;

impl Archive {
    /// Finds exam reports.
    pub async fn find_exam_reports(&self, command: FindReports) -> Result<FindOutcome<FoundExam>, Error> {
        let outcome = match self.search_of(&command).await? {
            Err(code) => Err(code),
            Ok(search) => {
                let found = exam_reports::find(&self.index, &search).await?;
                Ok(cut(&command, found, |f| (&f.report, ExamField::IdNo, ExamField::CardNo)))
            }
        };
        self.note_query(command, "find_exam_reports", outcome.as_ref().map(|f| f.reports.len())).await?;
        Ok(outcome)
    }

    /// Finds lab reports with their lines.
    pub async fn find_lab_reports(&self, command: FindReports) -> Result<FindOutcome<FoundLab>, Error> {
        let outcome = match self.search_of(&command).await? {
            Err(code) => Err(code),
            Ok(search) => {
                let found = lab_reports::find(&self.index, &search).await?;
                Ok(cut(&command, found, |f| (&f.report, LabField::IdNo, LabField::CardNo)))
            }
        };
        self.note_query(command, "find_lab_reports", outcome.as_ref().map(|f| f.reports.len())).await?;
        Ok(outcome)
    }

    /// The question, or why it is none.
    async fn search_of(&self, command: &FindReports) -> Result<Result<ReportSearch, Code>, Error> {
        let search = match search_of(command, self.clock.now_ms()) {
            Err(code) => return Ok(Err(code)),
            Ok(search) => search,
        };
        let identities: Vec<Identity> = command.identities.iter().filter_map(|v| Identity::classify(v)).collect();
        // The same person's reports that lack the number asked for, too (D-X9).
        Ok(Ok(ReportSearch { person: self.whole_person(&identities).await?, ..search }))
    }

    async fn note_query(
        &self,
        command: FindReports,
        action: &'static str,
        outcome: Result<usize, &Code>,
    ) -> Result<(), Error> {
        let (id, audit_id, now) = (self.ids.next(), self.ids.next(), self.clock.now_ms());
        let hashes: Vec<String> = command.identities.iter().filter_map(|v| Identity::classify(v)).map(hashed).collect();
        let result = outcome.map_or_else(|code| code.as_str().to_owned(), |count| count.to_string());
        let record = AuditRecord {
            action,
            actor: command.actor,
            org_code: match command.organizations.as_deref() {
                Some([only]) => only.clone(),
                _ => String::new(),
            },
            target: format!("message:{id}"),
            outcome: if outcome.is_ok() { "ok" } else { "refused" },
            detail: json!({ "identities": hashes, "result": &result }),
        };
        let state = if outcome.is_ok() { MessageState::Done } else { MessageState::Failed };
        let message = command.message.for_inbox().await;
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    inbox::insert(tx, id, now, message, Some((state, result))).await?;
                    audit::record(tx, audit_id, now, &record).await
                })
            })
            .await
            .map_err(Error::from)
    }
}

/// Tells two queries for the same person without telling the person (D-Q10).
pub(super) fn hashed(identity: Identity) -> String {
    let value = identity.spellings().into_iter().next().unwrap_or_default();
    hex::encode(&Sha256::digest(format!("yingku query {value}"))[..16])
}

/// The question without its person, whom nobody has looked for yet.
fn search_of(command: &FindReports, now: i64) -> Result<ReportSearch, Code> {
    if command.identities.iter().all(|value| Identity::classify(value).is_none()) {
        return Err(Code::NoIdentity);
    }
    let [from, to] = window(&command.from, &command.to, Moment::from_epoch_ms(now))?;
    if to.days_since(from) > command.rules.max_span_days {
        return Err(Code::SpanTooLong);
    }
    Ok(ReportSearch {
        person: WholePerson::default(),
        // The retrieval date is a date, though senders give it a time (D-R37).
        from: from.start_of_day().to_string(),
        to: to.end_of_day().to_string(),
        organizations: command.organizations.clone(),
        unreviewed: command.organizations.is_some(),
        confidential: command.organizations.is_some() || command.vip,
        limit: command.rules.max_reports as i64 + 1,
        asked_at: now,
    })
}

/// Three months up to now; or three months from or up to the one side that is given (D-Q4).
fn window(from: &str, to: &str, now: Moment) -> Result<[Moment; 2], Code> {
    let read = |text: &str| date_time::parse(text).map_err(|_| Code::BadQueryDate);
    let window = match (read(from)?, read(to)?) {
        (None, None) => [now.plus_months(-3), now],
        (Some(from), None) => [from, from.plus_months(3)],
        (None, Some(to)) => [to.plus_months(-3), to.as_range_end()],
        (Some(from), Some(to)) => [from, to.as_range_end()],
    };
    // Moments, not days: a range reversed within one day is as wrong as one reversed by a year.
    if window[1].epoch_ms() < window[0].epoch_ms() {
        return Err(Code::BadQueryDate);
    }
    Ok(window)
}

/// Leaves out what contradicts, and what is more than the limit.
fn cut<T, F: Field>(command: &FindReports, mut reports: Vec<T>, fields: impl Fn(&T) -> (&Record<F>, F, F)) -> Found<T> {
    let cut = reports.len() > command.rules.max_reports;
    reports.truncate(command.rules.max_reports);
    if cut {
        tracing::warn!(client = %command.actor.name, limit = command.rules.max_reports, "query answer cut");
    }
    let identities: Vec<Identity> = command.identities.iter().filter_map(|v| Identity::classify(v)).collect();
    if !command.rules.strict_identity || identities.len() < 2 {
        return Found { reports, cut };
    }
    let before = reports.len();
    reports.retain(|found| {
        let (record, id_no, card_no) = fields(found);
        identities.iter().all(|identity| {
            let field = if matches!(identity, Identity::IdNo(_)) { id_no } else { card_no };
            record.get(field).is_none_or(|stored| identity.spellings().iter().any(|s| s == stored))
        })
    });
    if reports.len() < before {
        tracing::warn!(client = %command.actor.name, left_out = before - reports.len(), "query identities contradict");
    }
    Found { reports, cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(from: &str, to: &str) -> Result<[String; 2], Code> {
        let now = date_time::parse("2024-05-31 10:00:00").unwrap().unwrap();
        window(from, to, now).map(|[a, b]| [a.to_string(), b.to_string()])
    }

    fn text(from: &str, to: &str) -> Result<[String; 2], Code> {
        Ok([from.to_owned(), to.to_owned()])
    }

    #[test]
    fn d_q4_without_dates_three_calendar_months_up_to_now_are_asked_for() {
        assert_eq!(spans("", ""), text("2024-02-29 10:00:00", "2024-05-31 10:00:00"));
    }

    #[test]
    fn d_q4_one_side_alone_reaches_three_months() {
        assert_eq!(spans("2024-01-01", ""), text("2024-01-01 00:00:00", "2024-04-01 00:00:00"));
        assert_eq!(spans("", "2024-04-01"), text("2024-01-01 00:00:00", "2024-04-01 23:59:59"));
    }

    #[test]
    fn d_q4_both_sides_are_taken_and_a_reversed_or_unreadable_range_is_refused() {
        assert_eq!(spans("2024/1/1", "2024/1/31"), text("2024-01-01 00:00:00", "2024-01-31 23:59:59"));
        assert_eq!(spans("2024-02-02", "2024-01-01"), Err(Code::BadQueryDate));
        assert_eq!(spans("昨天", ""), Err(Code::BadQueryDate));
    }

    #[test]
    fn d_q4_a_range_reversed_by_less_than_a_day_is_refused() {
        assert_eq!(spans("2024-01-02 10:00:00", "2024-01-02 09:00:00"), Err(Code::BadQueryDate));
        assert_eq!(spans("2024-01-02", "2024-01-01"), Err(Code::BadQueryDate));
        assert_eq!(
            spans("2024-01-02 10:00:00", "2024-01-02 10:00:00"),
            text("2024-01-02 10:00:00", "2024-01-02 10:00:00")
        );
    }
}
