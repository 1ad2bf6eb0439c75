//! Dictionaries that operators import; every process takes them over without a restart (RD-26).

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::json;

use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::domain::dictionary::{Dictionaries, Entry};
use crate::domain::recognition::RecognisedItems;
use crate::index::audit::{self, AuditRecord};
use crate::index::{dictionaries, recognised_items};

/// The dictionaries and the list of recognised items as this process knows them.
#[derive(Debug, Clone)]
pub(in crate::archive) struct Live(pub(super) Arc<RwLock<Known>>);

#[derive(Debug)]
pub(super) struct Known {
    version: i64,
    dictionaries: Arc<Dictionaries>,
    pub(super) items: Arc<RecognisedItems>,
}

impl Default for Live {
    fn default() -> Self {
        let dictionaries = Arc::new(Dictionaries::built_in());
        Self(Arc::new(RwLock::new(Known { version: 0, dictionaries, items: Arc::default() })))
    }
}

impl Archive {
    /// The dictionaries as they are now.
    pub fn dictionaries(&self) -> Arc<Dictionaries> {
        Arc::clone(&self.dictionaries.0.read().unwrap_or_else(PoisonError::into_inner).dictionaries)
    }

    /// Reads the dictionaries anew when somebody has changed them; whether that was so.
    pub async fn refresh_dictionaries(&self) -> Result<bool, Error> {
        let version = dictionaries::version(&self.index).await?;
        if version == self.dictionaries.0.read().unwrap_or_else(PoisonError::into_inner).version {
            return Ok(false);
        }
        // Read after its version: what changes in between is read again the next time.
        let dictionaries = Arc::new(Dictionaries::with(dictionaries::all(&self.index).await?));
        let items = Arc::new(RecognisedItems::new(recognised_items::all(&self.index).await?));
        *self.dictionaries.0.write().unwrap_or_else(PoisonError::into_inner) = Known { version, dictionaries, items };
        Ok(true)
    }

    /// Puts whole dictionaries in the place of those of the same names.
    pub async fn import_dictionaries(&self, actor: Actor, imported: Vec<(String, Vec<Entry>)>) -> Result<(), Error> {
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        let names: Vec<&str> = imported.iter().map(|(name, _)| name.as_str()).collect();
        let entry = AuditRecord {
            action: "import_dictionaries",
            actor,
            org_code: String::new(),
            target: String::new(),
            outcome: "ok",
            detail: json!({ "dictionaries": names }),
        };
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    for (dictionary, entries) in &imported {
                        dictionaries::replace(tx, dictionary, entries).await?;
                    }
                    dictionaries::changed(tx, now).await?;
                    audit::record(tx, audit_id, now, &entry).await
                })
            })
            .await?;
        self.refresh_dictionaries().await.map(|_| ())
    }
}
