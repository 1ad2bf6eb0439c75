//! Instances of series that are there already, which is what nearly all of ingest is: one statement adds many.
//!
//! A statement commits by itself, so that on SQLite all instances that wait cost one round trip to the engine and one
//! sync, and on PostgreSQL an instance costs one round trip. Only what brings nothing but its own row goes this way:
//! the study and series are there, the patient does not contradict the study, and the UID is free. Everything else is
//! left undone and told so, for the transaction that can do all of it.

use std::sync::Arc;

use sqlx::AssertSqlSafe;
use tokio::sync::oneshot;

use super::instances::NewInstance;
use super::tx::Tx;
use super::value::bind_postgres;
use super::writer::Waiting;
use super::{Engine, Error, Index, Select, Value};
use crate::params;

/// Instances in one statement; the engine keeps a plan for each number of them.
const AT_ONCE: usize = 32;

/// What [`insert_sql`] binds for each instance, in this order.
const COLUMNS: &str = "id, org_code, sop_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number, \
    number_of_frames, pixel_rows, pixel_columns, content_hash, object_key, object_offset, object_length, \
    dataset_offset, pixel_data_offset, header_state, calling_ae_title, received_at, study_instance_uid, \
    series_instance_uid, patient_id, issuer, patient_name, patient_sex, patient_birth_date";
const COLUMN_COUNT: usize = 25;

/// An instance that waits for the writer, and who hears whether it was added.
pub(super) struct Arrival {
    id: i64,
    values: Vec<Value>,
    answer: oneshot::Sender<Result<bool, Error>>,
}

/// Adds an instance to its series; durable when it returns `true`. `false` says that nothing was done, because it needs
/// more than its own row.
pub async fn add(index: &Index, id: i64, received_at: i64, new: &NewInstance) -> Result<bool, Error> {
    let values = values(id, received_at, new);
    match &index.engine {
        Engine::Sqlite { write, .. } => {
            let (answer, answered) = oneshot::channel();
            let arrival = Waiting::Arrival(Arrival { id, values, answer });
            write.send(arrival).await.map_err(|_| Error::WriterStopped)?;
            answered.await.map_err(|_| Error::WriterStopped)?
        }
        Engine::Postgres(pool) => {
            let insert = bind_postgres(sqlx::query(AssertSqlSafe(insert_sql(1))), values);
            Ok(insert.execute(pool).await?.rows_affected() == 1)
        }
    }
}

fn values(id: i64, received_at: i64, new: &NewInstance) -> Vec<Value> {
    let (instance, patient) = (&new.instance, &new.patient);
    params![
        id,
        &new.org_code,
        &instance.sop_instance_uid,
        &instance.sop_class_uid,
        &instance.transfer_syntax_uid,
        instance.instance_number,
        instance.number_of_frames,
        instance.rows,
        instance.columns,
        &instance.content_hash,
        &instance.place.key,
        instance.place.offset as i64,
        instance.place.length as i64,
        instance.dataset_offset,
        instance.pixel_data_offset,
        instance.header_state,
        &instance.calling_ae_title,
        received_at,
        &new.study.study_instance_uid,
        &new.series.series_instance_uid,
        &patient.patient_id,
        &patient.issuer,
        &patient.name,
        &patient.sex,
        &patient.birth_date,
    ]
}

/// The joins are in the order in which they are to be made: an arrival finds its study, and that its series.
fn insert_sql(instances: usize) -> String {
    let mut sql = format!("WITH arrival ({COLUMNS}) AS (VALUES ");
    for number in 0..instances {
        sql.push_str(if number == 0 { "(" } else { ", (" });
        for column in 1..=COLUMN_COUNT {
            let comma = if column == 1 { "" } else { ", " };
            sql.push_str(&format!("{comma}${}", number * COLUMN_COUNT + column));
        }
        sql.push(')');
    }
    sql.push_str(
        ") INSERT INTO instance (id, series_pk, org_code, sop_instance_uid, sop_class_uid, transfer_syntax_uid, \
         instance_number, number_of_frames, pixel_rows, pixel_columns, content_hash, object_key, object_offset, \
         object_length, dataset_offset, pixel_data_offset, header_state, calling_ae_title, received_at) \
         SELECT arrival.id, series.id, arrival.org_code, arrival.sop_instance_uid, arrival.sop_class_uid, \
         arrival.transfer_syntax_uid, arrival.instance_number, arrival.number_of_frames, arrival.pixel_rows, \
         arrival.pixel_columns, arrival.content_hash, arrival.object_key, arrival.object_offset, \
         arrival.object_length, arrival.dataset_offset, arrival.pixel_data_offset, arrival.header_state, \
         arrival.calling_ae_title, arrival.received_at FROM arrival CROSS JOIN study CROSS JOIN series \
         WHERE study.org_code = arrival.org_code AND study.study_instance_uid = arrival.study_instance_uid \
         AND series.study_pk = study.id AND series.series_instance_uid = arrival.series_instance_uid",
    );
    for column in ["patient_id", "issuer", "patient_name", "patient_sex", "patient_birth_date"] {
        sql.push_str(&format!(
            " AND (arrival.{column} = '' OR study.{column} = '' OR study.{column} = arrival.{column})"
        ));
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
pub(super) struct Added(Vec<(oneshot::Sender<Result<bool, Error>>, bool)>);

impl Inserter {
    pub(super) fn new() -> Self {
        Self { statements: vec![None; AT_ONCE] }
    }

    /// Whether one statement, which commits by itself, is enough.
    pub(super) fn fits(arrivals: usize) -> bool {
        arrivals <= AT_ONCE
    }

    /// Adds what can be added.
    pub(super) async fn add(&mut self, tx: &mut Tx, arrivals: Vec<Arrival>) -> Added {
        let mut added = Vec::with_capacity(arrivals.len());
        let mut rest = arrivals.into_iter();
        loop {
            let mut now: Vec<Arrival> = rest.by_ref().take(AT_ONCE).collect();
            if now.is_empty() {
                return Added(added);
            }
            let values = now.iter_mut().flat_map(|arrival| std::mem::take(&mut arrival.values)).collect();
            let there = match tx.execute(AssertSqlSafe(self.statement(now.len())), values).await {
                Ok(count) if count == now.len() as u64 => None,
                Ok(0) => Some(Vec::new()),
                Ok(_) => Some(which(tx, &now).await),
                // One of them may be at fault: each will be told its own error by the transaction that follows.
                Err(error) => {
                    tracing::warn!(%error, instances = now.len(), "instances could not be added together");
                    Some(Vec::new())
                }
            };
            added.extend(now.into_iter().map(|arrival| {
                let is_there = there.as_ref().is_none_or(|there| there.contains(&arrival.id));
                (arrival.answer, is_there)
            }));
        }
    }

    fn statement(&mut self, instances: usize) -> Arc<str> {
        let statement = self.statements[instances - 1].get_or_insert_with(|| insert_sql(instances).into());
        Arc::clone(statement)
    }
}

impl Added {
    /// Tells those who wait.
    pub(super) fn deliver(self, outcome: &Result<(), Error>) {
        for (answer, is_there) in self.0 {
            // Who asked may have gone.
            let _ = answer.send(outcome.clone().map(|()| is_there));
        }
    }
}

/// Those of the arrivals that have a row now. After an error all take the long way, which finds what is there.
async fn which(tx: &mut Tx, arrivals: &[Arrival]) -> Vec<i64> {
    let mut select = Select::new("SELECT id FROM instance WHERE id");
    select.push_in("", arrivals.iter().map(|arrival| arrival.id.into()).collect());
    let rows = tx.query(select.sql(), select.values()).await.unwrap_or_default();
    rows.iter().filter_map(|row| row.int("id").ok()).collect()
}
