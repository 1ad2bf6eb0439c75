//! Variables of the environment: `YINGKU__HTTP__LISTEN=…`, `YINGKU__CUSTOMER__0__SECRET=…`.

use toml::{Table, Value};

use super::Error;

const PREFIX: &str = "YINGKU__";

/// Puts each variable where its name points. A value is read as TOML where it is TOML, else as text.
pub(super) fn apply(table: &mut Table, variables: impl Iterator<Item = (String, String)>) -> Result<(), Error> {
    let mut ours: Vec<(String, String)> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    for (name, text) in ours {
        let path: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        if path.len() < 2 || path.iter().any(String::is_empty) || !put(table, &path, &text) {
            return Err(Error::Variable(name));
        }
    }
    Ok(())
}

fn put(table: &mut Table, path: &[String], text: &str) -> bool {
    let [key, rest @ ..] = path else { return false };
    if rest.is_empty() {
        table.insert(key.clone(), value(text));
        return true;
    }
    if let Ok(position) = rest[0].parse::<usize>() {
        let list = table.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(list) = list else { return false };
        // One more than there are adds an entry; a gap is a mistake.
        if position > list.len() {
            return false;
        }
        if position == list.len() {
            list.push(Value::Table(Table::new()));
        }
        return match &mut list[position] {
            Value::Table(entry) => put(entry, &rest[1..], text),
            place if rest.len() == 1 => {
                *place = value(text);
                true
            }
            _ => false,
        };
    }
    match table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(section) => put(section, rest, text),
        _ => false,
    }
}

fn value(text: &str) -> Value {
    let read = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    match read {
        // A date is text for us; only plain TOML values stand for themselves.
        Some(Value::Datetime(_)) | None => Value::String(text.to_owned()),
        Some(value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(start: &str, variables: &[(&str, &str)]) -> Result<Table, Error> {
        let mut table: Table = start.parse().unwrap();
        apply(&mut table, variables.iter().map(|(n, v)| (n.to_string(), v.to_string())))?;
        Ok(table)
    }

    #[test]
    fn a_variable_replaces_a_key_of_the_file() {
        let table = applied("[http]\nlisten = \"a\"", &[("YINGKU__HTTP__LISTEN", "127.0.0.1:1")]).unwrap();
        assert_eq!(table["http"]["listen"].as_str(), Some("127.0.0.1:1"));
    }

    #[test]
    fn numbers_lists_and_entries_are_read() {
        let variables = [
            ("YINGKU__DICOM__MAX_ASSOCIATIONS", "7"),
            ("YINGKU__REPORTS__ALLOW", "[\"http://a\"]"),
            ("YINGKU__CUSTOMER__0__SECRET", "0123"),
        ];
        let table = applied("", &variables).unwrap();
        assert_eq!(table["dicom"]["max_associations"].as_integer(), Some(7));
        assert_eq!(table["reports"]["allow"][0].as_str(), Some("http://a"));
        assert_eq!(table["customer"][0]["secret"].as_str(), Some("0123"));
    }

    #[test]
    fn a_gap_or_a_name_without_key_is_an_error() {
        assert!(matches!(applied("", &[("YINGKU__PEER__2__HOST", "x")]), Err(Error::Variable(_))));
        assert!(matches!(applied("", &[("YINGKU__HTTP", "x")]), Err(Error::Variable(_))));
        assert!(applied("", &[("OTHER", "x")]).unwrap().is_empty());
    }
}
