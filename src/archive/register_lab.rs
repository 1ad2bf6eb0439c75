//! One lab report's transaction: the head with its lines, or lines whose head has not come yet (D-R9 to D-R11).

use super::prepare_report::{self, Prepared};
use super::register_exam::open_conflict;
use super::register_reports::{Context, RecordKind, RecordOutcome, Status, outcome_of, record_audit};
use super::report_codes::{Code, Note};
use super::standing::{Standing, standing};
use crate::domain::date_time::local_text;
use crate::domain::lab_report::{self, LabField, LabItemField, LabReport};
use crate::domain::record::observation_uid;
use crate::index::lab_reports::{self, ItemFacts, KnownItem, LabFacts};
use crate::index::{self, Ids, Tx};

/// A head with the lines of the same message that can belong to it; or lines alone.
#[derive(Debug, Clone, Default)]
pub(super) struct LabUnit {
    pub(super) head: Option<Box<Prepared<LabField>>>,
    pub(super) items: Vec<Prepared<LabItemField>>,
}

pub(super) async fn write(
    tx: &mut Tx,
    ids: &Ids,
    context: &Context,
    unit: LabUnit,
) -> Result<Vec<RecordOutcome>, index::Error> {
    let LabUnit { head, items } = unit;
    let owner = match (&head, items.first()) {
        (Some(head), _) => prepare_report::owner_keys(&head.record),
        (None, Some(item)) => prepare_report::owner_of_item(&item.record),
        (None, None) => return Ok(Vec::new()),
    };
    let mut records = Vec::with_capacity(items.len() + 1);
    let mut full_set = false;
    let report = match head {
        Some(head) => {
            let (id, standing, outcome) = write_head(tx, ids, context, *head).await?;
            full_set = context.rules.replace_items && standing == Some(Standing::Newer) && !items.is_empty();
            records.push(outcome);
            lab_reports::adopt_orphans(tx, id, &owner[0], &owner[1], &owner[2]).await?;
            Some(id)
        }
        None => lab_reports::report_of_items(tx, &owner[0], &owner[1], &owner[2]).await?,
    };
    let known = match items.is_empty() {
        true => Vec::new(),
        false => lab_reports::items(tx, &owner[0], &owner[1], &owner[2]).await?,
    };
    // What this transaction itself has written, so that a line that is there twice is seen.
    let mut written: Vec<KnownItem> = Vec::new();
    for item in items {
        let outcome = write_item(tx, ids, context, report, &known, &mut written, item).await?;
        records.push(outcome);
    }
    if full_set {
        let missing = known.iter().filter(|k| !k.withdrawn && !records.iter().any(|r| r.serial_no == k.serial_no));
        for item in missing {
            lab_reports::withdraw_item(tx, ids, item.id, context.now).await?;
        }
    }
    let (action, target) = match report {
        Some(id) => ("register_lab", format!("lab:{id}")),
        None => ("register_lab_items", String::new()),
    };
    record_audit(tx, ids, context, action, target, &records).await?;
    Ok(records)
}

async fn write_head(
    tx: &mut Tx,
    ids: &Ids,
    context: &Context,
    head: Prepared<LabField>,
) -> Result<(i64, Option<Standing>, RecordOutcome), index::Error> {
    let now = context.now;
    let Prepared { mut record, mut notes, content_hash, stamped } = head;
    let text = |f: LabField| record.text(f).to_owned();
    let [org, number] = [LabField::OrgCode, LabField::ReportFormNo].map(text);
    let identity = [LabField::PatientId, LabField::EventType, LabField::EventNo].map(text);
    let known = lab_reports::with_number(tx, &org, &number).await?;
    let mut facts = facts_of(context, &record, content_hash);
    let Some(stored) = known.iter().find(|report| report.identity == identity) else {
        let id = ids.next();
        facts.identity_conflict = !known.is_empty();
        lab_reports::insert(tx, id, now, &facts, &record).await?;
        if facts.identity_conflict {
            notes.push(Note::of(Code::IdentityConflict));
            for other in &known {
                lab_reports::mark_identity_conflict(tx, other.id).await?;
                open_conflict(tx, ids, now, "lab", &org, id, &identity, other).await?;
            }
        }
        return Ok((id, None, outcome_of(RecordKind::Lab, &record, Status::Stored, None, notes)));
    };
    let stamp = record.text(LabField::LastUpdateDateTime);
    let stand = standing((stamp, stamped, &facts.content_hash), &stored.last_update_dtime, &stored.content_hash);
    if matches!(stand, Standing::Newer | Standing::Changed) {
        lab_reports::replace(tx, ids, stored.id, now, &facts, &mut record).await?;
    }
    Ok((stored.id, Some(stand), outcome_of(RecordKind::Lab, &record, stand.status(), None, notes)))
}

async fn write_item(
    tx: &mut Tx,
    ids: &Ids,
    context: &Context,
    report: Option<i64>,
    known: &[KnownItem],
    written: &mut Vec<KnownItem>,
    item: Prepared<LabItemField>,
) -> Result<RecordOutcome, index::Error> {
    let now = context.now;
    let Prepared { mut record, mut notes, content_hash, stamped } = item;
    if report.is_none() {
        notes.push(Note::of(Code::Orphan));
    }
    let serial_no = record.text(LabItemField::SerialNo).to_owned();
    let stamp = record.text(LabItemField::LastUpdateDateTime).to_owned();
    let facts = ItemFacts {
        content_hash,
        sender: context.actor.name.clone(),
        message_pk: Some(context.message_pk),
        withdrawn: prepare_report::is_withdrawn(record.get(LabItemField::DataStatus)),
    };
    let stored = written.iter().rev().chain(known).find(|k| k.serial_no == serial_no).cloned();
    let (id, status) = match stored {
        None => {
            let id = ids.next();
            lab_reports::insert_item(tx, id, report, now, &facts, &record).await?;
            (id, Status::Stored)
        }
        Some(stored) => {
            let incoming = (stamp.as_str(), stamped, facts.content_hash.as_str());
            let mut stand = standing(incoming, &stored.last_update_dtime, &stored.content_hash);
            // A line withdrawn by a full set has its old content; sent again, it is back.
            if stand == Standing::Duplicate && stored.withdrawn != facts.withdrawn {
                stand = Standing::Changed;
            }
            if !matches!(stand, Standing::Newer | Standing::Changed) {
                return Ok(outcome_of(RecordKind::LabItem, &record, stand.status(), None, notes));
            }
            lab_reports::replace_item(tx, ids, stored.id, now, &facts, &mut record).await?;
            (stored.id, Status::Updated)
        }
    };
    let ItemFacts { content_hash, withdrawn, .. } = facts;
    written.push(KnownItem { id, serial_no, content_hash, last_update_dtime: stamp, withdrawn });
    Ok(outcome_of(RecordKind::LabItem, &record, status, None, notes))
}

fn facts_of(context: &Context, record: &LabReport, content_hash: String) -> LabFacts {
    let received = local_text(context.now);
    let [retrieve_at, observed_at] = prepare_report::moments(
        record.get(LabField::RetrieveDate),
        record.get(LabField::EffectiveDateTime),
        record.get(LabField::PerformerDateTime),
        &received,
    );
    LabFacts {
        observation_uid: observation_uid("lab", &lab_report::KEY.map(|f| record.text(f))),
        content_hash,
        sender: context.actor.name.clone(),
        message_pk: Some(context.message_pk),
        withdrawn: prepare_report::is_withdrawn(record.get(LabField::DataStatus)),
        identity_conflict: false,
        retrieve_at,
        observed_at,
    }
}
