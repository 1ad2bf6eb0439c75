//! Earlier states of lab reports (D-R8, D-R11). The head and every line are kept apart, each as it is replaced; a reader has
//! seen them together. So a version of a lab report is what all of them said until the moment at which one was replaced.
//!
//! A moment at which nothing changed that a page shows (a newer stamp, a number of the sender's) makes no version.

use std::collections::{BTreeMap, BTreeSet};

use super::{VersionRow, content_of};
use crate::domain::lab_report::{self, LabField, LabItemField, LabReport};
use crate::domain::record::{Field, Record, is_withdrawn};
use crate::index::exam_details::LabItem;
use crate::index::lab_reports::number_order;
use crate::index::record_columns::record_of;
use crate::index::{Error, Index, Row};
use crate::params;

/// Most kept contents of one report that are read.
const MOST: i64 = 20_000;

/// What a lab report said until somebody replaced it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabVersion {
    /// 报告的标题, or the class.
    pub title: String,
    /// The kind of specimen.
    pub specimen: String,
    /// Who wrote it.
    pub author_name: String,
    /// Who reviewed it.
    pub authenticator_name: String,
    /// Whether the laboratory had withdrawn it (D-R18).
    pub withdrawn: bool,
    /// Its lines that were not withdrawn.
    pub items: Vec<LabItem>,
}

/// A version, and when it ended.
#[derive(Debug, Clone)]
struct Ended {
    at: i64,
    version: LabVersion,
}

/// The versions of a lab report, the newest first.
pub async fn list(index: &Index, report_pk: i64, limit: usize) -> Result<Vec<VersionRow>, Error> {
    let ended = ended(index, report_pk).await?;
    Ok(ended.iter().enumerate().map(row_of).rev().take(limit).collect())
}

/// A version of a lab report: its head and its lines that were not withdrawn, with all that was registered.
pub type LabContent = (VersionRow, LabReport, Vec<lab_report::LabItem>);

/// The versions of a lab report with all that was registered, the newest first.
pub async fn contents(index: &Index, report_pk: i64, limit: usize) -> Result<Vec<LabContent>, Error> {
    let Some(history) = History::read(index, report_pk).await? else { return Ok(Vec::new()) };
    let ended = history.ended();
    let of = |(at, ended): (usize, &Ended)| {
        let side = Side::Before(ended.at);
        (row_of((at, ended)), history.head.at(side).clone(), history.lines_at(side).cloned().collect())
    };
    Ok(ended.iter().enumerate().map(of).rev().take(limit).collect())
}

fn row_of((at, ended): (usize, &Ended)) -> VersionRow {
    VersionRow {
        version: at as i64 + 1,
        replaced_at: ended.at,
        // A lab report counts as final when it is registered.
        reviewed: true,
        withdrawn: ended.version.withdrawn,
    }
}

/// One version by its number, and when it was replaced.
pub async fn version(index: &Index, report_pk: i64, number: i64) -> Result<Option<(LabVersion, i64)>, Error> {
    let Ok(at) = usize::try_from(number - 1) else { return Ok(None) };
    let found = ended(index, report_pk).await?.into_iter().nth(at);
    Ok(found.map(|ended| (ended.version, ended.at)))
}

async fn ended(index: &Index, report_pk: i64) -> Result<Vec<Ended>, Error> {
    Ok(History::read(index, report_pk).await?.map(|history| history.ended()).unwrap_or_default())
}

/// Just before a moment, or just after it.
#[derive(Debug, Clone, Copy)]
enum Side {
    Before(i64),
    After(i64),
}

impl Side {
    /// Whether something that came at `at` is there.
    fn has(self, at: i64) -> bool {
        match self {
            Side::Before(moment) => at < moment,
            Side::After(moment) => at <= moment,
        }
    }
}

/// The contents of a head or a line: those that were replaced, in order, each with when, and the present one.
#[derive(Debug)]
struct Kept<F: Field> {
    received_at: i64,
    earlier: Vec<(i64, Record<F>)>,
    present: Record<F>,
}

impl<F: Field> Kept<F> {
    fn of(row: &Row) -> Result<Self, Error> {
        Ok(Self { received_at: row.int("received_at")?, earlier: Vec::new(), present: record_of(row)? })
    }

    fn at(&self, side: Side) -> &Record<F> {
        let stood = self.earlier.iter().find(|(replaced_at, _)| !side.has(*replaced_at));
        stood.map_or(&self.present, |(_, content)| content)
    }
}

/// All that was ever said in a report.
#[derive(Debug)]
struct History {
    head: Kept<LabField>,
    lines: Vec<Kept<LabItemField>>,
}

impl History {
    async fn read(index: &Index, report_pk: i64) -> Result<Option<Self>, Error> {
        let sql = "SELECT report_pk, content, replaced_at FROM report_version WHERE kind = 'lab' AND report_pk = $1 \
                   ORDER BY version LIMIT $2";
        let heads = index.query(sql, params![report_pk, MOST]).await?;
        let sql = "SELECT v.report_pk, v.content, v.replaced_at FROM lab_item i JOIN report_version v \
                   ON v.kind = 'item' AND v.report_pk = i.id WHERE i.lab_report_pk = $1 \
                   ORDER BY v.report_pk, v.version LIMIT $2";
        let items = index.query(sql, params![report_pk, MOST]).await?;
        if heads.is_empty() && items.is_empty() {
            return Ok(None);
        }
        let report = index.query_opt("SELECT * FROM lab_report WHERE id = $1", params![report_pk]).await?;
        let Some(report) = report else { return Ok(None) };
        let mut head = Kept::of(&report)?;
        for row in &heads {
            head.earlier.push((row.int("replaced_at")?, content_of(row)?));
        }
        let mut earlier: BTreeMap<i64, Vec<(i64, Record<LabItemField>)>> = BTreeMap::new();
        for row in &items {
            let kept = (row.int("replaced_at")?, content_of(row)?);
            earlier.entry(row.int("report_pk")?).or_default().push(kept);
        }
        let sql = concat!("SELECT * FROM lab_item WHERE lab_report_pk = $1 ORDER BY ", number_order!(), " LIMIT $2");
        let mut lines = Vec::new();
        for row in &index.query(sql, params![report_pk, MOST]).await? {
            let mut line = Kept::of(row)?;
            line.earlier = earlier.remove(&row.int("id")?).unwrap_or_default();
            lines.push(line);
        }
        Ok(Some(Self { head, lines }))
    }

    /// When something was replaced that readers of the report had seen.
    fn moments(&self) -> BTreeSet<i64> {
        let heads = self.head.earlier.iter().map(|(at, _)| *at);
        let lines = self.lines.iter().flat_map(|line| line.earlier.iter().map(|(at, _)| *at));
        heads.chain(lines).filter(|at| *at > self.head.received_at).collect()
    }

    /// The moments at which something changed that a page shows, each with what was said until then.
    fn ended(&self) -> Vec<Ended> {
        let version = |at: i64| Ended { at, version: self.state(Side::Before(at)) };
        let told = |ended: &Ended| ended.version != self.state(Side::After(ended.at));
        self.moments().into_iter().map(version).filter(told).collect()
    }

    /// The lines that were there and not withdrawn.
    fn lines_at(&self, side: Side) -> impl Iterator<Item = &Record<LabItemField>> {
        let there = self.lines.iter().filter(move |line| side.has(line.received_at)).map(move |line| line.at(side));
        there.filter(|line| !is_withdrawn(line.get(LabItemField::DataStatus)))
    }

    fn state(&self, side: Side) -> LabVersion {
        let head = self.head.at(side);
        let first = |fields: [LabField; 2]| {
            let texts = fields.map(|field| head.text(field));
            texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned()
        };
        LabVersion {
            title: first([LabField::ReportTitle, LabField::ClassLocalName]),
            specimen: first([LabField::SpecimenDeterminerName, LabField::SpecimenClassCode]),
            author_name: head.text(LabField::AuthorName).to_owned(),
            authenticator_name: head.text(LabField::AuthenticatorName).to_owned(),
            withdrawn: is_withdrawn(head.get(LabField::DataStatus)),
            items: self.lines_at(side).map(LabItem::from_record).collect(),
        }
    }
}
