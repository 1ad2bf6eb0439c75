//! Which objects the index names: for the sweep of leftovers and for `yingku verify`.

use std::collections::HashSet;

use super::{Error, Index, Select, Tx};
use crate::domain::place::Place;
use crate::params;

/// What a row promises of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The row, e.g. `instance:17`.
    pub row: String,
    /// Where the bytes must be.
    pub place: Place,
    /// First byte that the hash covers, counted from the place's first byte.
    pub hash_from: u64,
    /// Hash of those bytes, with its algorithm (`dicom/content_hash.rs`).
    pub content_hash: String,
}

/// The tables that name objects; each is walked in the order of its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromiseKind {
    /// Current contents of instances.
    Instance,
    /// Other contents under a taken UID.
    InstanceVersion,
    /// Report files as given.
    ReportOriginal,
    /// Report files with QR code.
    ReportStamped,
    /// Files of exams that are no DICOM objects.
    Attachment,
    /// Lab reports as documents.
    LabDocument,
}

impl PromiseKind {
    /// All of them.
    pub const ALL: [PromiseKind; 6] = [
        PromiseKind::Instance,
        PromiseKind::InstanceVersion,
        PromiseKind::ReportOriginal,
        PromiseKind::ReportStamped,
        PromiseKind::Attachment,
        PromiseKind::LabDocument,
    ];

    fn name(self) -> &'static str {
        match self {
            PromiseKind::Instance => "instance",
            PromiseKind::InstanceVersion => "instance_version",
            PromiseKind::ReportOriginal => "report_file.original",
            PromiseKind::ReportStamped => "report_file.stamped",
            PromiseKind::Attachment => "attachment",
            PromiseKind::LabDocument => "lab_document",
        }
    }

    fn page(self) -> &'static str {
        match self {
            PromiseKind::Instance => {
                "SELECT id, object_key AS k, object_offset AS o, object_length AS l, dataset_offset AS f, \
                 content_hash AS h FROM instance WHERE id > $1 AND offline_at IS NULL ORDER BY id LIMIT 1000"
            }
            PromiseKind::InstanceVersion => {
                "SELECT id, object_key AS k, object_offset AS o, object_length AS l, dataset_offset AS f, \
                 content_hash AS h FROM instance_version WHERE id > $1 ORDER BY id LIMIT 1000"
            }
            PromiseKind::ReportOriginal => {
                "SELECT id, original_key AS k, 0 * id AS o, original_length AS l, 0 * id AS f, original_hash AS h \
                 FROM report_file WHERE id > $1 ORDER BY id LIMIT 1000"
            }
            PromiseKind::ReportStamped => {
                "SELECT id, stamped_key AS k, 0 * id AS o, stamped_length AS l, 0 * id AS f, stamped_hash AS h \
                 FROM report_file WHERE id > $1 AND stamped_key IS NOT NULL ORDER BY id LIMIT 1000"
            }
            PromiseKind::Attachment => {
                "SELECT id, object_key AS k, object_offset AS o, object_length AS l, 0 * id AS f, content_hash AS h \
                 FROM attachment WHERE id > $1 ORDER BY id LIMIT 1000"
            }
            PromiseKind::LabDocument => {
                "SELECT id, object_key AS k, 0 * id AS o, object_length AS l, 0 * id AS f, object_hash AS h \
                 FROM lab_document WHERE id > $1 ORDER BY id LIMIT 1000"
            }
        }
    }
}

/// The next promises after a row id, and the id to go on from; empty at the end.
pub async fn promises(index: &Index, kind: PromiseKind, after: i64) -> Result<(Vec<Promise>, i64), Error> {
    let rows = index.query(kind.page(), params![after]).await?;
    let mut last = after;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        last = row.int("id")?;
        found.push(Promise {
            row: format!("{}:{last}", kind.name()),
            place: Place { key: row.text("k")?, offset: row.int("o")? as u64, length: row.int("l")? as u64 },
            hash_from: row.int("f")? as u64,
            content_hash: row.text("h")?,
        });
    }
    Ok((found, last))
}

/// Whether the row still promises the same place; its object may have been removed or moved since the row was read.
pub async fn is_current(index: &Index, promise: &Promise) -> Result<bool, Error> {
    let Some((name, id)) = promise.row.split_once(':') else { return Ok(false) };
    let kind = PromiseKind::ALL.into_iter().find(|kind| kind.name() == name);
    let (Some(kind), Ok(id)) = (kind, id.parse::<i64>()) else { return Ok(false) };
    let (found, _) = promises(index, kind, id - 1).await?;
    Ok(found.first().is_some_and(|now| now.row == promise.row && now.place == promise.place))
}

/// Those of the given keys that no row names.
pub async fn unnamed(index: &Index, keys: &[String]) -> Result<Vec<String>, Error> {
    let mut named = HashSet::new();
    let sources = [
        ("SELECT object_key AS k FROM instance WHERE object_key"),
        ("SELECT object_key AS k FROM instance_version WHERE object_key"),
        ("SELECT original_key AS k FROM report_file WHERE original_key"),
        ("SELECT stamped_key AS k FROM report_file WHERE stamped_key"),
        ("SELECT object_key AS k FROM attachment WHERE object_key"),
        ("SELECT object_key AS k FROM lab_document WHERE object_key"),
    ];
    for source in sources {
        let mut select = Select::new("");
        select.push_in(source, keys.iter().flat_map(|key| params![key]).collect());
        for row in index.query(select.sql(), select.values()).await? {
            named.insert(row.text("k")?);
        }
    }
    Ok(keys.iter().filter(|key| !named.contains(*key)).cloned().collect())
}

/// Which of the places under the given keys a row of an instance names: key and offset.
pub async fn named_instances(index: &Index, keys: &[String]) -> Result<HashSet<(String, u64)>, Error> {
    let mut named = HashSet::new();
    for source in [
        "SELECT object_key AS k, object_offset AS o FROM instance WHERE object_key",
        "SELECT object_key AS k, object_offset AS o FROM instance_version WHERE object_key",
    ] {
        let mut select = Select::new("");
        select.push_in(source, keys.iter().flat_map(|key| params![key]).collect());
        for row in index.query(select.sql(), select.values()).await? {
            named.insert((row.text("k")?, row.int("o")? as u64));
        }
    }
    Ok(named)
}

/// Whether a row of an instance names a place.
pub async fn is_named(tx: &mut Tx, place: &Place) -> Result<bool, Error> {
    for sql in [
        "SELECT id FROM instance WHERE object_key = $1 AND object_offset = $2",
        "SELECT id FROM instance_version WHERE object_key = $1 AND object_offset = $2",
    ] {
        if tx.query_opt(sql, params![&place.key, place.offset as i64]).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A place in the order of storage, from which a walk goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last object's key.
    pub key: String,
    /// The last place's offset in it; -1 before the first.
    pub offset: i64,
}

/// The next promises of instances behind a place, in the order of storage, versions included; empty at the end.
pub async fn promises_in_storage_order(index: &Index, after: &Cursor, limit: u32) -> Result<Vec<Promise>, Error> {
    let mut found = Vec::new();
    for (name, sql) in [
        (
            "instance",
            "SELECT id, object_key AS k, object_offset AS o, object_length AS l, dataset_offset AS f, content_hash AS h \
             FROM instance WHERE object_key >= $1 AND (object_key > $2 OR object_offset > $3) AND offline_at IS NULL \
             ORDER BY object_key, object_offset LIMIT $4",
        ),
        (
            "instance_version",
            "SELECT id, object_key AS k, object_offset AS o, object_length AS l, dataset_offset AS f, content_hash AS h \
             FROM instance_version WHERE object_key >= $1 AND (object_key > $2 OR object_offset > $3) \
             ORDER BY object_key, object_offset LIMIT $4",
        ),
    ] {
        for row in index.query(sql, params![&after.key, &after.key, after.offset, i64::from(limit)]).await? {
            found.push(Promise {
                row: format!("{name}:{}", row.int("id")?),
                place: Place { key: row.text("k")?, offset: row.int("o")? as u64, length: row.int("l")? as u64 },
                hash_from: row.int("f")? as u64,
                content_hash: row.text("h")?,
            });
        }
    }
    // What is beyond the limit of one table may come before what was read of the other; it is met at the next turn.
    found.sort_by(|a, b| (&a.place.key, a.place.offset).cmp(&(&b.place.key, b.place.offset)));
    found.truncate(limit as usize);
    Ok(found)
}
