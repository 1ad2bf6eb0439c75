//! One lab report's transaction: the head with its lines, or lines whose head has not come yet or was rejected
//! (D-R9 to D-R11).

use std::collections::BTreeSet;

use super::batch_outcome::{RecordKind, RecordOutcome, Status, outcome_of};
use super::prepare_report::{self, Prepared};
use super::register_exam::open_conflict;
use super::register_reports::{Context, record_audit};
use super::report_codes::{Code, Note, kept_notes};
use super::standing::{Incoming, Standing, Stored, standing};
use crate::archive::patients::absorb_patient::{self, Said};
use crate::documents::ComposeLab;
use crate::domain::date_time::local_text;
use crate::domain::lab_report::{self, LabField, LabItemField, LabReport};
use crate::domain::record::{is_withdrawn, observation_uid};
use crate::domain::sharing::Sharing;
use crate::index::jobs::{self, JobKind};
use crate::index::lab_reports::{self, ItemFacts, ItemPlace, KnownItem, LabFacts};
use crate::index::patients::FillKind;
use crate::index::registrations::{self, BeforeLab, ReportKeys};
use crate::index::report_changes::{self, Aspect, Change, Subject};
use crate::index::{self, Ids, Tx};

/// A head with the lines of the same message that can belong to it; or lines alone.
#[derive(Debug, Clone, Default)]
pub(super) struct LabUnit {
    pub(super) head: Option<Box<Prepared<LabField>>>,
    pub(super) items: Vec<Prepared<LabItemField>>,
    /// The lines' head is in the same message and was rejected.
    pub(super) head_rejected: bool,
    /// Lines of the head in the same message were rejected, so that what is here is no full set (D-R11).
    pub(super) lacks_lines: bool,
}

/// What becomes of withdrawn lines that are sent again with their old content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WithdrawnLines {
    /// They are back.
    ComeBack,
    /// A full set has withdrawn lines that an older message still has: with its head it does not bring them back.
    Stay,
}

/// Organisation, event number and report number of the head, or of the head that lines belong to.
fn owner(unit: &LabUnit) -> Option<[String; 3]> {
    match (&unit.head, unit.items.first()) {
        (Some(head), _) => Some(prepare_report::owner_keys(&head.record)),
        (None, Some(item)) => Some(prepare_report::owner_of_item(&item.record)),
        (None, None) => None,
    }
}

/// The name that the transaction holds from its beginning: of a head and lines that come at the same moment the second
/// sees the first, and what is decided against the stored reports of that number still holds when it is written.
pub(super) fn names(unit: &LabUnit) -> Vec<String> {
    owner(unit).map(|[org, _, number]| format!("lab {org} {number}")).into_iter().collect()
}

pub(super) async fn write(
    tx: &mut Tx,
    ids: &Ids,
    context: &Context,
    unit: LabUnit,
) -> Result<Vec<RecordOutcome>, index::Error> {
    let Some(owner) = owner(&unit) else { return Ok(Vec::new()) };
    let LabUnit { head, items, head_rejected, lacks_lines } = unit;
    let mut records = Vec::with_capacity(items.len() + 1);
    let mut full_set = false;
    let mut withdrawn = WithdrawnLines::ComeBack;
    // Reports of which followers of the change feed are told, and the new one, of which all is known.
    let mut touched = BTreeSet::new();
    let mut new = None;
    // Read before anything is written, so that what is written can go together.
    let mut known = match items.is_empty() {
        true => Vec::new(),
        false => lab_reports::items(tx, &owner[0], &owner[1], &owner[2]).await?,
    };
    let place = match head {
        Some(head) => {
            let WrittenHead { id, found, outcome } = write_head(tx, ids, context, *head).await?;
            match found {
                Found::Nothing(sharing) => new = Some((id, sharing)),
                Found::Report(Standing::Stale) => withdrawn = WithdrawnLines::Stay,
                Found::Report(_) => {}
            }
            let is_newer = found == Found::Report(Standing::Newer);
            full_set = context.rules.replace_items && is_newer && !items.is_empty() && !lacks_lines;
            let mut adopted = 0;
            if items.is_empty() || known.iter().any(|line| line.place == ItemPlace::Waiting) {
                adopted = lab_reports::adopt_orphans(tx, id, &owner[0], &owner[1], &owner[2]).await?;
            }
            if adopted > 0 || is_change(outcome.status) {
                touched.insert(id);
            }
            if adopted > 0 && !items.is_empty() {
                known = lab_reports::items(tx, &owner[0], &owner[1], &owner[2]).await?;
            }
            records.push(outcome);
            ItemPlace::Certain(id)
        }
        None if head_rejected => ItemPlace::Aside,
        None => lab_reports::place_of_items(tx, &owner[0], &owner[1], &owner[2]).await?,
    };
    for item in items {
        let outcome = write_item(tx, ids, context, place, withdrawn, (&mut known, &mut touched), item).await?;
        records.push(outcome);
    }
    if full_set {
        let shown = known.iter().filter(|k| !k.withdrawn && k.place.report() == place.report());
        for item in shown.filter(|k| !records.iter().any(|r| r.serial_no == k.serial_no)) {
            lab_reports::withdraw_item(tx, ids, item.id, context.now, context.message_pk).await?;
            touched.extend(item.place.report());
        }
    }
    let (action, target) = match place.report() {
        Some(id) => ("register_lab", format!("lab:{id}")),
        None => ("register_lab_items", String::new()),
    };
    let changed = records.iter().any(|record| matches!(record.status, Status::Stored | Status::Updated));
    if let (Some(id), true, ComposeLab::OnRegistration) = (place.report(), changed, context.compose_lab) {
        jobs::enqueue(tx, ids, context.now, JobKind::ComposeLabReport, &id.to_string(), context.now).await?;
    }
    record_audit(tx, ids, context, action, target, &records).await?;
    if let Some((id, sharing)) = new {
        let (subject, aspect, org_code) = (Subject::Lab, Aspect::Report, owner[0].as_str());
        let change = Change { report_pk: id, subject, aspect, org_code, sharing };
        report_changes::record(tx, ids, context.now, change).await?;
        touched.remove(&id);
    }
    for report in touched {
        report_changes::lab_changed(tx, ids, context.now, report).await?;
    }
    Ok(records)
}

fn is_change(status: Status) -> bool {
    matches!(status, Status::Stored | Status::Updated)
}

/// A head, as it is now.
struct WrittenHead {
    id: i64,
    found: Found,
    outcome: RecordOutcome,
}

/// What of a head was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Nothing: the report is new, and shared like this.
    Nothing(Sharing),
    /// An earlier registration.
    Report(Standing),
}

async fn write_head(
    tx: &mut Tx,
    ids: &Ids,
    context: &Context,
    head: Prepared<LabField>,
) -> Result<WrittenHead, index::Error> {
    let now = context.now;
    let Prepared { mut record, mut notes, content_hash, stamped } = head;
    let text = |f: LabField| record.text(f).to_owned();
    let [org, number] = [LabField::OrgCode, LabField::ReportFormNo].map(text);
    let identity = [LabField::PatientId, LabField::EventType, LabField::EventNo].map(text);
    let keys = ReportKeys { org_code: &org, report_form_no: &number, patient_id: &identity[0] };
    let BeforeLab { reports: known, patient, is_vip } = registrations::before_lab(tx, keys).await?;
    let mut facts = facts_of(context, &record, content_hash);
    let Some(stored) = known.iter().find(|report| report.identity == identity) else {
        let id = ids.next();
        facts.identity_conflict = !known.is_empty();
        if facts.identity_conflict {
            notes.push(Note::of(Code::IdentityConflict));
        }
        facts.notes = kept_notes(&notes);
        let said = Said::by_lab(&record, None, facts.withdrawn);
        absorb_patient::absorb(tx, ids, now, &said, patient, FillKind::Lab, id).await?;
        lab_reports::insert(tx, id, now, &facts, &record).await?;
        if facts.identity_conflict {
            for other in &known {
                lab_reports::mark_identity_conflict(tx, other.id).await?;
                let lines = lab_reports::count_items(tx, other.id).await?;
                open_conflict(tx, ids, now, "lab", &org, id, &identity, other, Some(lines)).await?;
            }
        }
        let sharing = Sharing::of(true, is_vip, facts.withdrawn);
        let outcome = outcome_of(RecordKind::Lab, &record, Status::Stored, None, notes);
        return Ok(WrittenHead { id, found: Found::Nothing(sharing), outcome });
    };
    let incoming = Incoming {
        stamp: record.text(LabField::LastUpdateDateTime),
        stamped,
        content_hash: &facts.content_hash,
        replayed: context.replayed,
    };
    let stand = standing(incoming, Stored::of(stored));
    facts.notes = kept_notes(&notes);
    if matches!(stand, Standing::Newer | Standing::Changed) {
        let former = lab_reports::replace(tx, ids, stored.id, now, &facts, &mut record).await?;
        let said = Said::by_lab(&record, Some(&former), facts.withdrawn);
        absorb_patient::absorb(tx, ids, now, &said, patient, FillKind::Lab, stored.id).await?;
    }
    let outcome = outcome_of(RecordKind::Lab, &record, stand.status(), None, notes);
    Ok(WrittenHead { id: stored.id, found: Found::Report(stand), outcome })
}

async fn write_item(
    tx: &mut Tx,
    ids: &Ids,
    context: &Context,
    place: ItemPlace,
    withdrawn: WithdrawnLines,
    (known, touched): (&mut Vec<KnownItem>, &mut BTreeSet<i64>),
    item: Prepared<LabItemField>,
) -> Result<RecordOutcome, index::Error> {
    let now = context.now;
    let Prepared { mut record, mut notes, content_hash, stamped } = item;
    match place {
        ItemPlace::Waiting => notes.push(Note::of(Code::Orphan)),
        ItemPlace::Aside => notes.push(Note::of(Code::HeadRejected)),
        ItemPlace::Guessed(_) | ItemPlace::Certain(_) => {}
    }
    let serial_no = record.text(LabItemField::SerialNo).to_owned();
    let stamp = record.text(LabItemField::LastUpdateDateTime).to_owned();
    let facts = ItemFacts {
        content_hash,
        sender: context.sender.clone(),
        message_pk: Some(context.message_pk),
        withdrawn: is_withdrawn(record.get(LabItemField::DataStatus)),
        notes: kept_notes(&notes),
    };
    let stored = stored_line(known, place, &serial_no, &facts.content_hash).and_then(|at| known.get_mut(at));
    let Some(stored) = stored else {
        let id = ids.next();
        lab_reports::insert_item(tx, id, place, now, &facts, &record).await?;
        touched.extend(place.report());
        let ItemFacts { content_hash, withdrawn, .. } = facts;
        let message_pk = Some(context.message_pk);
        known.push(KnownItem { id, serial_no, content_hash, last_update_dtime: stamp, withdrawn, place, message_pk });
        return Ok(outcome_of(RecordKind::LabItem, &record, Status::Stored, None, notes));
    };
    let content_hash = facts.content_hash.as_str();
    let incoming = Incoming { stamp: &stamp, stamped, content_hash, replayed: context.replayed };
    let mut stand = standing(incoming, Stored::of_line(stored));
    // A line withdrawn by a full set has its old content; sent again, it is back.
    let overtaken = context.replayed.zip(stored.message_pk).is_some_and(|(replayed, stored)| stored > replayed);
    if stand == Standing::Duplicate
        && stored.withdrawn != facts.withdrawn
        && withdrawn == WithdrawnLines::ComeBack
        && !overtaken
    {
        stand = Standing::Changed;
    }
    let replaces = matches!(stand, Standing::Newer | Standing::Changed);
    let moves = match (stored.place, place) {
        (ItemPlace::Certain(_), _) => false,
        // A guess is not better than the earlier one unless the line itself is newer.
        (ItemPlace::Guessed(_), ItemPlace::Guessed(_)) => replaces,
        _ => true,
    };
    if moves && stored.place != place {
        lab_reports::place_item(tx, stored.id, place).await?;
        touched.extend(stored.place.report().into_iter().chain(place.report()));
        stored.place = place;
    }
    if replaces {
        lab_reports::replace_item(tx, ids, stored.id, now, &facts, &mut record).await?;
        touched.extend(stored.place.report());
        // So that a line that is there twice in one message is seen.
        stored.content_hash = facts.content_hash;
        stored.last_update_dtime = stamp;
        stored.withdrawn = facts.withdrawn;
    }
    Ok(outcome_of(RecordKind::LabItem, &record, stand.status(), None, notes))
}

/// The stored line that is the same as an incoming one for `place`, never one that certainly is another report's with
/// other content: equal numbers of two patients are not the same line (D-R8, D-R9).
fn stored_line(known: &[KnownItem], place: ItemPlace, serial_no: &str, content_hash: &str) -> Option<usize> {
    let find = |fits: &dyn Fn(&KnownItem) -> bool| known.iter().position(|k| k.serial_no == serial_no && fits(k));
    let uncertain = |k: &KnownItem| matches!(k.place, ItemPlace::Waiting | ItemPlace::Guessed(_));
    // A line kept aside is known again by its content only: its number may be another patient's.
    let aside = |k: &KnownItem| k.place == ItemPlace::Aside && k.content_hash == content_hash;
    match place {
        ItemPlace::Aside => find(&|k| k.place == ItemPlace::Aside),
        ItemPlace::Waiting => find(&uncertain).or_else(|| find(&aside)),
        ItemPlace::Certain(head) => find(&|k| k.place == place)
            .or_else(|| find(&|k| matches!(k.place, ItemPlace::Waiting) || k.place == ItemPlace::Guessed(head)))
            // It was given to another head for want of a better one.
            .or_else(|| find(&|k| uncertain(k) && k.content_hash == content_hash))
            .or_else(|| find(&aside)),
        ItemPlace::Guessed(head) => find(&|k| k.content_hash == content_hash)
            .or_else(|| find(&uncertain))
            .or_else(|| find(&|k| k.place == ItemPlace::Certain(head))),
    }
}

fn facts_of(context: &Context, record: &LabReport, content_hash: String) -> LabFacts {
    let received = local_text(context.received_at);
    let [retrieve_at, observed_at] = prepare_report::moments(
        record.get(LabField::RetrieveDate),
        record.get(LabField::EffectiveDateTime),
        record.get(LabField::PerformerDateTime),
        &received,
    );
    LabFacts {
        observation_uid: observation_uid("lab", &lab_report::KEY.map(|f| record.text(f))),
        content_hash,
        sender: context.sender.clone(),
        message_pk: Some(context.message_pk),
        withdrawn: is_withdrawn(record.get(LabField::DataStatus)),
        identity_conflict: false,
        retrieve_at,
        observed_at,
        notes: String::new(),
        delay_s: prepare_report::delay_s(lab_report::reported_at(record), context.received_at),
    }
}
