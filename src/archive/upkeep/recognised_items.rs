//! The list of items whose results are recognised, which operators import; every process follows (D-X10, RD-26).

use std::sync::{Arc, PoisonError};

use serde_json::json;

use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::domain::recognition::{RecognisedItem, RecognisedItems};
use crate::index::audit::{self, AuditRecord};
use crate::index::{dictionaries, recognised_items};

impl Archive {
    /// The list as it is now.
    pub fn recognised_items(&self) -> Arc<RecognisedItems> {
        Arc::clone(&self.dictionaries.0.read().unwrap_or_else(PoisonError::into_inner).items)
    }

    /// Puts a whole list in the place of the one before; none removes it.
    pub async fn import_recognised_items(&self, actor: Actor, items: Vec<RecognisedItem>) -> Result<(), Error> {
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        let entry = AuditRecord {
            action: "import_recognised_items",
            actor,
            org_code: String::new(),
            target: String::new(),
            outcome: "ok",
            detail: json!({ "items": items.len() }),
        };
        let written = self.index.write(move |tx| {
            Box::pin(async move {
                recognised_items::replace(tx, &items).await?;
                dictionaries::changed(tx, now).await?;
                audit::record(tx, audit_id, now, &entry).await
            })
        });
        written.await?;
        self.refresh_dictionaries().await.map(|_| ())
    }
}
