//! What an archive holds, read beside it: rows from its database, bytes from its folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use yingku::index::Index;
use yingku::params;

/// The instances of one archive, by SOP Instance UID.
#[derive(Debug)]
pub struct StoredInstances {
    folder: PathBuf,
    rows: BTreeMap<String, Row>,
}

#[derive(Debug)]
struct Row {
    key: String,
    offset: usize,
    length: usize,
    dataset_offset: usize,
}

impl StoredInstances {
    /// Reads all rows.
    pub async fn read(database: &str, folder: &Path) -> Self {
        let index = Index::open(&super::database::at(database.to_owned())).await.unwrap();
        let sql = "SELECT sop_instance_uid, object_key, object_offset, object_length, dataset_offset FROM instance";
        let rows = index.query(sql, params![]).await.unwrap();
        let number = |row: &yingku::index::Row, column| usize::try_from(row.int(column).unwrap()).unwrap();
        let rows = rows
            .iter()
            .map(|row| {
                let stored = Row {
                    key: row.text("object_key").unwrap(),
                    offset: number(row, "object_offset"),
                    length: number(row, "object_length"),
                    dataset_offset: number(row, "dataset_offset"),
                };
                (row.text("sop_instance_uid").unwrap(), stored)
            })
            .collect();
        index.close().await;
        Self { folder: folder.to_owned(), rows }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// The Part 10 file of an instance; nothing when it is not there.
    pub fn file(&self, sop_instance_uid: &str) -> Option<Vec<u8>> {
        let row = self.rows.get(sop_instance_uid)?;
        let object = std::fs::read(self.folder.join(&row.key)).unwrap();
        Some(object[row.offset..row.offset + row.length].to_vec())
    }

    /// The data set of an instance, byte for byte; nothing when it is not there.
    pub fn data_set(&self, sop_instance_uid: &str) -> Option<Vec<u8>> {
        Some(self.file(sop_instance_uid)?[self.rows.get(sop_instance_uid)?.dataset_offset..].to_vec())
    }

    /// Turns one bit of an instance's last byte on disk, as a failing disk would.
    pub fn overwrite(&self, sop_instance_uid: &str) {
        let row = &self.rows[sop_instance_uid];
        let path = self.folder.join(&row.key);
        let mut object = std::fs::read(&path).unwrap();
        object[row.offset + row.length - 1] ^= 1;
        std::fs::write(&path, object).unwrap();
    }
}
