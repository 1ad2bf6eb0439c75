//! The organisations that the archive knows: those of the configuration, and those that operators import as the dictionary
//! `organization` (RD-24), which every process takes over without a restart. An imported name wins.

use std::collections::BTreeMap;

use crate::archive::Archive;
use crate::domain::dictionary::ORGANIZATION;

impl Archive {
    /// The name of an organisation; its code when nobody has named it.
    pub fn organization_name(&self, code: &str) -> String {
        let dictionaries = self.dictionaries();
        let imported = dictionaries.meaning(ORGANIZATION, code).filter(|name| !name.is_empty());
        let configured = || self.configured_organizations.get(code).map(String::as_str);
        imported.or_else(configured).unwrap_or(code).to_owned()
    }

    /// Whether the archive knows the organisation.
    pub fn knows_organization(&self, code: &str) -> bool {
        self.configured_organizations.contains_key(code) || self.dictionaries().meaning(ORGANIZATION, code).is_some()
    }

    /// Codes and names of all of them.
    pub fn organizations(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::clone(&self.configured_organizations);
        let dictionaries = self.dictionaries();
        for entry in dictionaries.all().filter(|(name, _)| *name == ORGANIZATION).flat_map(|(_, entries)| entries) {
            let name = all.entry(entry.code.clone()).or_default();
            if !entry.meaning.is_empty() || name.is_empty() {
                name.clone_from(&entry.meaning);
            }
        }
        all
    }
}
