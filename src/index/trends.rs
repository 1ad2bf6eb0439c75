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
    /// Its code; empty when it has none.
    pub code: String,
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

/// Results of the item in these reports, the newest `limit`, and whether there are more. `codes` are those by which an item
/// that has one is known, in upper case.
pub async fn results(
    index: &Index,
    reports: &[i64],
    item: &ItemKey,
    codes: &[String],
    limit: i64,
) -> Result<(Vec<ResultText>, bool), Error> {
    let mut select = Select::new(
        "SELECT l.observation_uid, l.observed_at, l.org_code, i.result_value, i.result_unit, i.norm_lower_limit, \
         i.norm_upper_limit, i.result_interpre, i.result_interpre_descr FROM lab_item i JOIN lab_report l ON l.id = i.lab_report_pk WHERE i.withdrawn = 0",
    );
    select.push_in(" AND i.lab_report_pk", reports.iter().map(|pk| Value::from(*pk)).collect());
    if item.code.is_empty() {
        let piece =
            " AND COALESCE(i.class_code, '') = '' AND i.class_local_name = ? AND COALESCE(i.result_unit, '') = ?";
        select.push(piece, params![&item.local_name, &item.unit]);
    } else {
        select.push_in(" AND UPPER(i.class_code)", codes.iter().map(Value::from).collect());
    }
    select.push(" ORDER BY l.observed_at DESC, i.id LIMIT ?", params![limit.saturating_add(1)]);
    cut(index.query(select.sql(), select.values()).await?, limit)
}

/// Results of the item with one of these codes, or one of these as its name where a line has no code, in upper case: the
/// newest `limit`, and whether there are more; and what the newest of them calls it.
pub async fn results_named(
    index: &Index,
    reports: &[i64],
    words: &[String],
    limit: i64,
) -> Result<(Option<String>, Vec<ResultText>, bool), Error> {
    let mut select = Select::new(
        "SELECT l.observation_uid, l.observed_at, l.org_code, i.result_value, i.result_unit, i.norm_lower_limit, \
         i.norm_upper_limit, i.result_interpre, i.result_interpre_descr, COALESCE(i.class_local_name, i.class_name, i.class_code, '') AS name \
         FROM lab_item i JOIN lab_report l ON l.id = i.lab_report_pk WHERE i.withdrawn = 0",
    );
    select.push_in(" AND i.lab_report_pk", reports.iter().map(|pk| Value::from(*pk)).collect());
    let words = || words.iter().map(Value::from).collect();
    select.push_in(" AND (UPPER(i.class_code)", words());
    select.push_in(" OR (COALESCE(i.class_code, '') = '' AND (UPPER(i.class_local_name)", words());
    select.push_in(" OR UPPER(i.class_name)", words());
    select.push("))) ORDER BY l.observed_at DESC, i.id LIMIT ?", params![limit.saturating_add(1)]);
    let rows = index.query(select.sql(), select.values()).await?;
    let name = rows.first().map(|row| row.text("name")).transpose()?;
    let (results, more) = cut(rows, limit)?;
    Ok((name, results, more))
}

fn cut(mut rows: Vec<Row>, limit: i64) -> Result<(Vec<ResultText>, bool), Error> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    Ok((rows.iter().map(result_from).collect::<Result<_, _>>()?, more))
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
        words: [text("result_interpre")?, text("result_interpre_descr")?],
    })
}
