//! Marks of mutual recognition of the entries of a list (D-R17, D-X10).

use std::collections::HashMap;

use super::list_exams::{Entry, EntryKind};
use crate::archive::{Archive, Error};
use crate::domain::recognition::{Examined, ItemKind};
use crate::index::Value;
use crate::index::recognitions;
use crate::index::report_changes::Subject;

impl Archive {
    /// The marks in words, by the entries' ids in addresses; those without one are left out.
    pub async fn marks_of_entries(&self, entries: &[Entry]) -> Result<HashMap<String, String>, Error> {
        let (dictionaries, items) = (self.dictionaries(), self.recognised_items());
        let mut marks = HashMap::new();
        for (subject, entry_kind, kind) in
            [(Subject::Exam, EntryKind::Exam, ItemKind::Exam), (Subject::Lab, EntryKind::Lab, ItemKind::Lab)]
        {
            let own: HashMap<i64, &Entry> =
                entries.iter().filter(|entry| entry.kind == entry_kind).map(|entry| (entry.pk, entry)).collect();
            if own.is_empty() {
                continue;
            }
            let pks = own.keys().map(|pk| Value::from(*pk)).collect();
            for (pk, registered, names) in recognitions::mark_sources(&self.index, subject, pks).await? {
                let Some(entry) = own.get(&pk) else { continue };
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let (org_code, observed_at) = (entry.org_code.as_str(), entry.observed_at.as_str());
                let examined = Examined { kind, org_code, items: &names, observed_at, registered: &registered };
                let mark = items.mark(&dictionaries, &examined);
                if !mark.is_empty() {
                    marks.insert(entry.observation_uid.clone(), mark);
                }
            }
        }
        Ok(marks)
    }
}
