//! Results of one laboratory item in several reports (RD-23, D-S11).

use super::lab_reports::number_order;
use super::{Error, Index, Row, Select, Value};
use crate::domain::trend::ResultText;
use crate::params;

/// What tells one item from another: its code, or where it has none its local name and unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemKey {
    /// The name shown to people.
    pub name: String,
    code: String,
    local_name: String,
    unit: String,
}

/// The item in a line of a report, counted from 0 as pages show them.
pub async fn item_of_line(index: &Index, lab_report_pk: i64, line: i64) -> Result<Option<ItemKey>, Error> {
    let sql = concat!(
        "SELECT class_code, class_name, class_local_name, result_unit FROM lab_item \
         WHERE lab_report_pk = $1 AND withdrawn = 0 ORDER BY ",
        number_order!(),
        " LIMIT 1 OFFSET $2"
    );
    let Some(row) = index.query_opt(sql, params![lab_report_pk, line]).await? else { return Ok(None) };
    let text = |column: &str| row.get::<Option<String>>(column).map(Option::unwrap_or_default);
    let (code, local_name) = (text("class_code")?, text("class_local_name")?);
    let names = [local_name.clone(), text("class_name")?, code.clone()];
    let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    Ok(Some(ItemKey { name, code, local_name, unit: text("result_unit")? }))
}

/// Results of the item in these reports, at most `limit`.
pub async fn results(index: &Index, reports: &[i64], item: &ItemKey, limit: i64) -> Result<Vec<ResultText>, Error> {
    let mut select = Select::new(
        "SELECT l.observation_uid, l.observed_at, l.org_code, i.result_value, i.result_unit, i.norm_lower_limit, \
         i.norm_upper_limit FROM lab_item i JOIN lab_report l ON l.id = i.lab_report_pk WHERE i.withdrawn = 0",
    );
    select.push_in(" AND i.lab_report_pk", reports.iter().map(|pk| Value::from(*pk)).collect());
    if item.code.is_empty() {
        let piece =
            " AND COALESCE(i.class_code, '') = '' AND i.class_local_name = ? AND COALESCE(i.result_unit, '') = ?";
        select.push(piece, params![&item.local_name, &item.unit]);
    } else {
        select.push(" AND i.class_code = ?", params![&item.code]);
    }
    select.push(" ORDER BY l.observed_at DESC, i.id LIMIT ?", params![limit]);
    index.query(select.sql(), select.values()).await?.iter().map(result_from).collect()
}

/// Results of the item with this code, or this name where a line has no code, and what the newest of them calls it.
pub async fn results_named(
    index: &Index,
    reports: &[i64],
    item: &str,
    limit: i64,
) -> Result<(String, Vec<ResultText>), Error> {
    let mut select = Select::new(
        "SELECT l.observation_uid, l.observed_at, l.org_code, i.result_value, i.result_unit, i.norm_lower_limit, \
         i.norm_upper_limit, COALESCE(i.class_local_name, i.class_name, i.class_code, '') AS name \
         FROM lab_item i JOIN lab_report l ON l.id = i.lab_report_pk WHERE i.withdrawn = 0",
    );
    select.push_in(" AND i.lab_report_pk", reports.iter().map(|pk| Value::from(*pk)).collect());
    let piece =
        " AND (i.class_code = ? OR (COALESCE(i.class_code, '') = '' AND (i.class_local_name = ? OR i.class_name = ?)))";
    select.push(piece, params![item, item, item]);
    select.push(" ORDER BY l.observed_at DESC, i.id LIMIT ?", params![limit]);
    let rows = index.query(select.sql(), select.values()).await?;
    let name = rows.first().map_or(Ok(item.to_owned()), |row| row.text("name"))?;
    Ok((name, rows.iter().map(result_from).collect::<Result<_, _>>()?))
}

fn result_from(row: &Row) -> Result<ResultText, Error> {
    let text = |column: &str| row.get::<Option<String>>(column).map(Option::unwrap_or_default);
    Ok(ResultText {
        observation_uid: row.text("observation_uid")?,
        observed_at: row.text("observed_at")?,
        org_code: row.text("org_code")?,
        value: text("result_value")?,
        unit: text("result_unit")?,
        low: text("norm_lower_limit")?,
        high: text("norm_upper_limit")?,
    })
}
