//! Values that are found from other rows: counts, the modalities and SOP classes of a study, the requests of a series.

use std::collections::BTreeMap;

use super::{Candidate, Confidentiality, Error, has_study};
use crate::domain::query::Query;
use crate::domain::query::attribute::{Level, tag};
use crate::index::{Index, Select, Value};

/// Which row a value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Patient,
    Study,
    Series,
    Instance,
}

struct Computed {
    tag: u32,
    owner: Owner,
    /// Gives `owner` and `value`; ends where ` IN (…)` follows.
    sql: &'static str,
    /// What follows.
    end: &'static str,
}

/// Items in their order; one that holds order numbers only is no request that a query knows.
const REQUESTED: &str = " AND (series_request.step_id <> '' OR series_request.procedure_id <> '') \
                         ORDER BY series_request.series_pk, series_request.item";

const COMPUTED: &[Computed] = &[
    Computed {
        tag: tag::MODALITIES_IN_STUDY,
        owner: Owner::Study,
        sql: "SELECT DISTINCT series.study_pk AS owner, series.modality AS value FROM series WHERE series.study_pk",
        end: " ORDER BY 1, 2",
    },
    Computed {
        tag: tag::SOP_CLASSES_IN_STUDY,
        owner: Owner::Study,
        sql: "SELECT DISTINCT series.study_pk AS owner, instance.sop_class_uid AS value FROM series \
              CROSS JOIN instance WHERE instance.series_pk = series.id AND series.study_pk",
        end: " ORDER BY 1, 2",
    },
    Computed {
        tag: tag::NUMBER_OF_STUDY_RELATED_SERIES,
        owner: Owner::Study,
        sql: "SELECT series.study_pk AS owner, CAST(COUNT(*) AS TEXT) AS value FROM series WHERE series.study_pk",
        end: " GROUP BY series.study_pk",
    },
    Computed {
        tag: tag::NUMBER_OF_STUDY_RELATED_INSTANCES,
        owner: Owner::Study,
        sql: "SELECT series.study_pk AS owner, CAST(COUNT(*) AS TEXT) AS value FROM series CROSS JOIN instance \
              WHERE instance.series_pk = series.id AND series.study_pk",
        end: " GROUP BY series.study_pk",
    },
    Computed {
        tag: tag::NUMBER_OF_SERIES_RELATED_INSTANCES,
        owner: Owner::Series,
        sql: "SELECT instance.series_pk AS owner, CAST(COUNT(*) AS TEXT) AS value FROM instance \
              WHERE instance.series_pk",
        end: " GROUP BY instance.series_pk",
    },
    Computed {
        tag: tag::NUMBER_OF_PATIENT_RELATED_STUDIES,
        owner: Owner::Patient,
        sql: "SELECT study.patient_pk AS owner, CAST(COUNT(*) AS TEXT) AS value FROM study WHERE study.patient_pk",
        end: " GROUP BY study.patient_pk",
    },
    Computed {
        tag: tag::NUMBER_OF_PATIENT_RELATED_SERIES,
        owner: Owner::Patient,
        sql: "SELECT study.patient_pk AS owner, CAST(COUNT(*) AS TEXT) AS value FROM study CROSS JOIN series \
              WHERE series.study_pk = study.id AND study.patient_pk",
        end: " GROUP BY study.patient_pk",
    },
    Computed {
        tag: tag::NUMBER_OF_PATIENT_RELATED_INSTANCES,
        owner: Owner::Patient,
        sql: "SELECT study.patient_pk AS owner, CAST(COUNT(*) AS TEXT) AS value FROM study CROSS JOIN series \
              CROSS JOIN instance WHERE series.study_pk = study.id AND instance.series_pk = series.id \
              AND study.patient_pk",
        end: " GROUP BY study.patient_pk",
    },
    // One value for each item, in the same order for both.
    Computed {
        tag: tag::SCHEDULED_PROCEDURE_STEP_ID,
        owner: Owner::Series,
        sql: "SELECT series_request.series_pk AS owner, series_request.step_id AS value FROM series_request \
              WHERE series_request.series_pk",
        end: REQUESTED,
    },
    Computed {
        tag: tag::REQUESTED_PROCEDURE_ID,
        owner: Owner::Series,
        sql: "SELECT series_request.series_pk AS owner, series_request.procedure_id AS value FROM series_request \
              WHERE series_request.series_pk",
        end: REQUESTED,
    },
    // Bytes that only an upstream archive has (RD-8); what has none of these is online.
    Computed {
        tag: tag::INSTANCE_AVAILABILITY,
        owner: Owner::Study,
        sql: "SELECT DISTINCT series.study_pk AS owner, 'OFFLINE' AS value FROM series CROSS JOIN instance \
              WHERE instance.series_pk = series.id AND instance.offline_at IS NOT NULL AND series.study_pk",
        end: "",
    },
    Computed {
        tag: tag::INSTANCE_AVAILABILITY,
        owner: Owner::Series,
        sql: "SELECT DISTINCT instance.series_pk AS owner, 'OFFLINE' AS value FROM instance \
              WHERE instance.offline_at IS NOT NULL AND instance.series_pk",
        end: "",
    },
    Computed {
        tag: tag::INSTANCE_AVAILABILITY,
        owner: Owner::Instance,
        sql: "SELECT instance.id AS owner, 'OFFLINE' AS value FROM instance \
              WHERE instance.offline_at IS NOT NULL AND instance.id",
        end: "",
    },
];

/// Whether a value can be told of rows of the level. Of availability, that of the level itself is told.
fn is_of(level: Level, computed: &Computed) -> bool {
    match (computed.owner, level) {
        (Owner::Study, Level::Study) | (Owner::Series, Level::Series) | (Owner::Instance, Level::Instance) => true,
        _ if computed.tag == tag::INSTANCE_AVAILABILITY => false,
        (Owner::Patient, _) => true,
        (Owner::Study | Owner::Series | Owner::Instance, _) => has_study(level),
    }
}

/// Lengths of lists of owners: few, so that the engines can use their prepared statements again.
const LIST_LENGTHS: [usize; 7] = [1, 4, 16, 64, 128, 256, 512];

/// Fills the list up to the next of those lengths by saying the last one again.
fn padded(mut owners: Vec<i64>) -> Vec<i64> {
    let length = LIST_LENGTHS.into_iter().find(|length| *length >= owners.len());
    if let (Some(length), Some(last)) = (length, owners.last().copied()) {
        owners.resize(length, last);
    }
    owners
}

fn statement(start: &'static str, computed: &Computed, confidentiality: Confidentiality, owners: Vec<i64>) -> Select {
    let mut select = Select::new(start);
    select.push_in(computed.sql, padded(owners).into_iter().map(Value::from).collect());
    if computed.owner == Owner::Patient {
        super::statement::push_seen_by(&mut select, confidentiality);
    }
    select.push(computed.end, vec![]);
    select
}

/// All statements that the query needs, for an explanation.
pub(super) fn explained(query: &Query, confidentiality: Confidentiality) -> Vec<Select> {
    let asked = |computed: &&Computed| query.returned().contains(&computed.tag) && is_of(query.level(), computed);
    let explain = |computed: &Computed| statement("", computed, confidentiality, vec![1, 2]);
    COMPUTED.iter().filter(asked).map(explain).collect()
}

/// Adds values of the wanted tags to the candidates.
pub(super) async fn add(
    index: &Index,
    query: &Query,
    confidentiality: Confidentiality,
    candidates: &mut [Candidate],
    is_wanted: impl Fn(u32) -> bool,
) -> Result<(), Error> {
    for computed in COMPUTED.iter().filter(|computed| is_wanted(computed.tag)) {
        if candidates.is_empty() || !is_of(query.level(), computed) {
            continue;
        }
        let owner = |candidate: &Candidate| match computed.owner {
            Owner::Patient => candidate.patient_pk,
            Owner::Study => candidate.study_pk,
            Owner::Series => candidate.series_pk,
            Owner::Instance => candidate.instance_pk,
        };
        let mut owners: Vec<i64> = candidates.iter().map(owner).collect();
        owners.sort_unstable();
        owners.dedup();
        let select = statement("", computed, confidentiality, owners);
        let mut values: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for row in index.query(select.sql(), select.values()).await? {
            values.entry(row.int("owner")?).or_default().push(row.text("value")?);
        }
        for candidate in candidates.iter_mut() {
            let found = values.get(&owner(candidate)).cloned();
            candidate.values.insert(computed.tag, found.unwrap_or_default());
        }
    }
    Ok(())
}
