//! The list of recognised items that operators import (D-X10); it changes with the number of the dictionaries.

use super::{Error, Index, Tx};
use crate::domain::dictionary::listed;
use crate::domain::recognition::{ItemKind, RecognisedItem};
use crate::params;

/// All items, in the order in which they were imported.
pub async fn all(index: &Index) -> Result<Vec<RecognisedItem>, Error> {
    let sql = "SELECT kind, org_code, item, aliases, level, valid_from, valid_to FROM recognised_item \
               ORDER BY position, kind, org_code, item, valid_from";
    let rows = index.query(sql, Vec::new()).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        // A kind of which only a newer version beside this one knows decides nothing here.
        let Some(kind) = ItemKind::parse(&row.text("kind")?) else { continue };
        items.push(RecognisedItem {
            kind,
            org_code: row.text("org_code")?,
            item: row.text("item")?,
            aliases: listed(&row.text("aliases")?),
            level: row.text("level")?,
            valid_from: row.text("valid_from")?,
            valid_to: row.text("valid_to")?,
        });
    }
    Ok(items)
}

/// Puts these items in the place of all that were there.
pub async fn replace(tx: &mut Tx, items: &[RecognisedItem]) -> Result<(), Error> {
    tx.execute("DELETE FROM recognised_item", Vec::new()).await?;
    for (position, item) in items.iter().enumerate() {
        let sql = "INSERT INTO recognised_item (kind, org_code, item, aliases, level, valid_from, valid_to, position) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let values = params![
            item.kind.as_str(),
            &item.org_code,
            &item.item,
            item.aliases.join("\n"),
            &item.level,
            &item.valid_from,
            &item.valid_to,
            i64::try_from(position).unwrap_or(i64::MAX),
        ];
        tx.execute(sql, values).await?;
    }
    Ok(())
}
