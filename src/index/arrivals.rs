//! Instances of series that are there already, which is what nearly all of ingest is: one statement adds many.
//!
//! A statement commits by itself, so that on SQLite all instances that wait cost one round trip to the engine and one
//! sync, and on PostgreSQL an instance costs one round trip. Only what brings nothing but its own row goes this way:
//! the study and series are there, the patient does not contradict the study, nothing by which the study is found is empty
//! there and told here, and the UID is free. Everything else is
//! left undone and told so, for the transaction that can do all of it.

use std::sync::Arc;

use sqlx::AssertSqlSafe;
use tokio::sync::oneshot;

use super::instances::{NewInstance, OWN_COLUMNS, own_values};
use super::tx::Tx;
use super::unsynced::Surety;
use super::value::bind_postgres;
use super::writer::Waiting;
use super::{Engine, Error, Index, Select, Value};
use crate::params;

/// Instances in one statement; the engine keeps a plan for each number of them.
const AT_ONCE: usize = 32;

/// What of a patient an instance must not contradict.
const PATIENT_COLUMNS: [&str; 5] = ["patient_id", "issuer", "patient_name", "patient_sex", "patient_birth_date"];
/// Of these the issuer alone is never filled where it is empty.
const NEVER_FILLED: &str = "issuer";
/// What an instance must not say when its study lacks it.
const STUDY_COLUMNS: [&str; 4] = ["accession_number", "study_date", "study_time", "study_description"];

/// An instance that waits for the writer, and who hears whether it was added.
pub(super) struct Arrival {
    id: i64,
    values: Vec<Value>,
    pub(super) surety: Option<Surety>,
    answer: oneshot::Sender<Result<Arrived, Error>>,
}

/// What became of an arrival.
#[derive(Debug)]
pub enum Arrived {
    /// It has its row.
    Added,
    /// Nothing was done, because it needs more than its own row; who vouches for it comes back.
    NeedsMore(Option<Surety>),
}

/// Adds an instance to its series. Durable when it returns, unless somebody vouches for its row.
pub async fn add(
    index: &Index,
    id: i64,
    received_at: i64,
    new: &NewInstance,
    surety: Option<Surety>,
) -> Result<Arrived, Error> {
    let values = values(id, received_at, new);
    match &index.engine {
        Engine::Sqlite { write, .. } => {
            let (answer, answered) = oneshot::channel();
            let arrival = Waiting::Arrival(Arrival { id, values, surety, answer });
            write.send(arrival).await.map_err(|_| Error::WriterStopped)?;
            answered.await.map_err(|_| Error::WriterStopped)?
        }
        Engine::Postgres(pool) => {
            let insert = bind_postgres(sqlx::query(AssertSqlSafe(insert_sql(1))), values);
            let added = match insert.execute(pool).await.map_err(Error::from) {
                Ok(done) => done.rows_affected() == 1,
                // Its series is being deleted in this very moment.
                Err(error) if error.is_parent_gone() => false,
                Err(error) => return Err(error),
            };
            if !added {
                return Ok(Arrived::NeedsMore(surety));
            }
            if let Some(surety) = surety {
                surety.release();
            }
            Ok(Arrived::Added)
        }
    }
}

/// What [`insert_sql`] binds for each instance, in this order.
fn columns() -> impl Iterator<Item = &'static str> + Clone {
    OWN_COLUMNS
        .into_iter()
        .chain(["study_instance_uid", "series_instance_uid"])
        .chain(PATIENT_COLUMNS)
        .chain(STUDY_COLUMNS)
}

fn values(id: i64, received_at: i64, new: &NewInstance) -> Vec<Value> {
    let mut values = own_values(id, received_at, new);
    let patient = &new.patient;
    values.extend(params![
        &new.study.study_instance_uid,
        &new.series.series_instance_uid,
        &patient.patient_id,
        &patient.issuer,
        &patient.name,
        &patient.sex,
        &patient.birth_date,
        &new.study.accession_number,
        &new.study.study_date,
        &new.study.study_time,
        &new.study.study_description,
    ]);
    values
}

/// The joins are in the order in which they are to be made: an arrival finds its study, and that its series.
fn insert_sql(instances: usize) -> String {
    let columns: Vec<&str> = columns().collect();
    let mut sql = format!("WITH arrival ({}) AS (VALUES ", columns.join(", "));
    for number in 0..instances {
        sql.push_str(if number == 0 { "(" } else { ", (" });
        for column in 1..=columns.len() {
            let comma = if column == 1 { "" } else { ", " };
            sql.push_str(&format!("{comma}${}", number * columns.len() + column));
        }
        sql.push(')');
    }
    sql.push_str(&format!(
        ") INSERT INTO instance (series_pk, {}) SELECT series.id, arrival.{} FROM arrival CROSS JOIN study \
         CROSS JOIN series WHERE study.org_code = arrival.org_code \
         AND study.study_instance_uid = arrival.study_instance_uid \
         AND series.study_pk = study.id AND series.series_instance_uid = arrival.series_instance_uid",
        OWN_COLUMNS.join(", "),
        OWN_COLUMNS.join(", arrival."),
    ));
    for column in PATIENT_COLUMNS {
        let or_empty = if column == NEVER_FILLED { format!("study.{column} = '' OR ") } else { String::new() };
        sql.push_str(&format!(" AND (arrival.{column} = '' OR {or_empty}study.{column} = arrival.{column})"));
    }
    for column in STUDY_COLUMNS {
        sql.push_str(&format!(" AND (arrival.{column} = '' OR study.{column} <> '')"));
    }
    sql.push_str(" ON CONFLICT (org_code, sop_instance_uid) DO NOTHING");
    sql
}

/// What the writer keeps between its batches.
pub(super) struct Inserter {
    /// By the number of instances, less one.
    statements: Vec<Option<Arc<str>>>,
}

/// Arrivals whose fate is known as soon as the transaction is.
pub(super) struct Added(Vec<(Arrival, bool)>);

impl Inserter {
    pub(super) fn new() -> Self {
        Self { statements: vec![None; AT_ONCE] }
    }

    /// Whether one statement, which commits by itself, is enough.
    pub(super) fn fits(arrivals: usize) -> bool {
        arrivals <= AT_ONCE
    }

    /// Adds what can be added, up to the first error: with it the engine may have undone the transaction.
    pub(super) async fn add(&mut self, tx: &mut Tx, arrivals: Vec<Arrival>) -> Added {
        let mut added = Vec::with_capacity(arrivals.len());
        let mut rest = arrivals.into_iter();
        loop {
            let mut now: Vec<Arrival> = rest.by_ref().take(AT_ONCE).collect();
            if now.is_empty() {
                return Added(added);
            }
            match self.add_some(tx, &mut now).await {
                Ok(there) => added.extend(now.into_iter().map(|arrival| {
                    let is_there = there.as_ref().is_none_or(|there| there.contains(&arrival.id));
                    (arrival, is_there)
                })),
                // One of them may be at fault: each will be told its own error by the transaction that follows.
                Err(error) => {
                    tracing::warn!(%error, instances = now.len(), "instances could not be added together");
                    added.extend(now.into_iter().chain(rest).map(|arrival| (arrival, false)));
                    return Added(added);
                }
            }
        }
    }

    /// Adds so many as one statement can; gives those that have a row now, nothing when all have.
    async fn add_some(&mut self, tx: &mut Tx, arrivals: &mut [Arrival]) -> Result<Option<Vec<i64>>, Error> {
        let values = arrivals.iter_mut().flat_map(|arrival| std::mem::take(&mut arrival.values)).collect();
        let count = tx.execute(AssertSqlSafe(self.statement(arrivals.len())), values).await?;
        match count {
            0 => Ok(Some(Vec::new())),
            count if count == arrivals.len() as u64 => Ok(None),
            _ => which(tx, arrivals).await.map(Some),
        }
    }

    fn statement(&mut self, instances: usize) -> Arc<str> {
        let statement = self.statements[instances - 1].get_or_insert_with(|| insert_sql(instances).into());
        Arc::clone(statement)
    }
}

impl Added {
    /// None of them has its row: the engine has undone it.
    pub(super) fn undone(&mut self) {
        self.0.iter_mut().for_each(|(_, is_there)| *is_there = false);
    }

    /// Tells those who wait. What is left are the sureties of those that have their rows, or have failed.
    pub(super) fn deliver(self, outcome: &Result<(), Error>) -> Vec<Surety> {
        let mut sureties = Vec::new();
        for (Arrival { answer, surety, .. }, is_there) in self.0 {
            let answered = match outcome {
                Ok(()) if !is_there => Ok(Arrived::NeedsMore(surety)),
                outcome => {
                    sureties.extend(surety);
                    outcome.clone().map(|()| Arrived::Added)
                }
            };
            // Who asked may have gone.
            let _ = answer.send(answered);
        }
        sureties
    }
}

/// Those of the arrivals that have a row now.
async fn which(tx: &mut Tx, arrivals: &[Arrival]) -> Result<Vec<i64>, Error> {
    let mut select = Select::new("SELECT id FROM instance WHERE id");
    select.push_in("", arrivals.iter().map(|arrival| arrival.id.into()).collect());
    tx.query(select.sql(), select.values()).await?.iter().map(|row| row.int("id")).collect()
}
