//! Variables of the environment: `YINGKU__HTTP__LISTEN=…`, `YINGKU__CUSTOMER__0__SECRET=…`.
//!
//! The schema of [`Config`] says what a key holds: a secret or a code of digits only is text, not a number. Errors
//! name the variable and never tell its value, which may be a secret.

use toml::{Table, Value};

use super::{Config, Error};

const PREFIX: &str = "YINGKU__";

/// Puts each variable where its name points and gives the names back. A value for a key that holds text is text;
/// others are read as TOML where they are TOML, else as text.
pub(super) fn apply(
    table: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Vec<String>, Error> {
    let mut ours: Vec<(String, String)> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    if ours.is_empty() {
        return Ok(Vec::new());
    }
    let schema = schemars::schema_for!(Config).to_value();
    let mut names = Vec::new();
    for (name, text) in ours {
        let path = path_of(&name);
        let known = path.len() >= 2 && path.iter().all(|part| !part.is_empty());
        if !known || !put(table, &path, value(&text, holds_text(&schema, &path))) {
            return Err(Error::Variable(name));
        }
        names.push(name);
    }
    Ok(names)
}

/// The file alone was good, so a variable is at fault: the one whose key the error names, else any of them.
pub(super) fn misfit(names: &[String], error: &toml::de::Error) -> Error {
    let shown = error.to_string();
    let key = shown.lines().find_map(|line| line.strip_prefix("in `")?.strip_suffix('`')).unwrap_or_default();
    // The error's keys have no positions in lists.
    let key_of = |name: &str| path_of(name).into_iter().filter(|p| p.parse::<usize>().is_err()).collect::<Vec<_>>();
    let named = |name: &&str| !key.is_empty() && format!("{}.", key_of(name).join(".")).starts_with(&format!("{key}."));
    let mut variables: Vec<&str> = names.iter().map(String::as_str).filter(named).collect();
    if variables.is_empty() {
        variables = names.iter().map(String::as_str).collect();
    }
    Error::Value { variables: variables.join(", "), reason: reason(error.message()) }
}

/// What can be told of an error without its value: names of fields, and what was expected.
fn reason(message: &str) -> String {
    if message.starts_with("missing field") || message.starts_with("unknown field") {
        return message.to_owned();
    }
    let serde = ["invalid type", "invalid value", "unknown variant"].iter().any(|start| message.starts_with(start));
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if serde => format!("the value does not fit, expected {expected}"),
        _ => "the value does not fit this key".to_owned(),
    }
}

fn path_of(name: &str) -> Vec<String> {
    name.get(PREFIX.len()..).unwrap_or_default().split("__").map(str::to_lowercase).collect()
}

fn holds_text(schema: &serde_json::Value, path: &[String]) -> bool {
    let mut place = resolve(schema, schema);
    for part in path {
        let next = match part.parse::<usize>() {
            Ok(_) => place.get("items"),
            Err(_) => place.get("properties").and_then(|p| p.get(part)).or_else(|| place.get("additionalProperties")),
        };
        let Some(next) = next else { return false };
        place = resolve(schema, next);
    }
    is_text(schema, place)
}

fn is_text(schema: &serde_json::Value, place: &serde_json::Value) -> bool {
    let place = resolve(schema, place);
    let choices = ["oneOf", "anyOf"].into_iter().filter_map(|word| place.get(word)?.as_array()).flatten();
    let kind = place.get("type");
    kind.and_then(|kind| kind.as_str()) == Some("string")
        || kind.and_then(|kind| kind.as_array()).is_some_and(|kinds| kinds.iter().any(|kind| kind == "string"))
        || choices.into_iter().any(|choice| is_text(schema, choice))
}

fn resolve<'s>(schema: &'s serde_json::Value, place: &'s serde_json::Value) -> &'s serde_json::Value {
    let reference = place.get("$ref").and_then(|reference| reference.as_str());
    reference.and_then(|path| schema.pointer(path.trim_start_matches('#'))).unwrap_or(place)
}

fn put(table: &mut Table, path: &[String], value: Value) -> bool {
    let [key, rest @ ..] = path else { return false };
    if rest.is_empty() {
        table.insert(key.clone(), value);
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
        if rest.len() == 1 {
            list[position] = value;
            return true;
        }
        return match &mut list[position] {
            Value::Table(entry) => put(entry, &rest[1..], value),
            _ => false,
        };
    }
    match table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(section) => put(section, rest, value),
        _ => false,
    }
}

fn value(text: &str, is_text: bool) -> Value {
    let read = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    match read {
        // Text may stand in TOML's quotes.
        Some(Value::String(quoted)) => Value::String(quoted),
        // A date is text for us; only plain TOML values stand for themselves.
        Some(Value::Datetime(_)) | None => Value::String(text.to_owned()),
        Some(value) if !is_text => value,
        Some(_) => Value::String(text.to_owned()),
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

    #[test]
    fn text_keys_take_digits_as_text() {
        let variables = [
            ("YINGKU__CLIENT__0__KEY", "1234567890123456"),
            ("YINGKU__CUSTOMER__0__SECRET", "true"),
            ("YINGKU__ORGANIZATION__0__CODE", "110101"),
            ("YINGKU__ORGANIZATION__0__NAME", "示例医院"),
            ("YINGKU__SENDER__0__ORGANIZATIONS__0", "110101"),
        ];
        let variables = variables.map(|(n, v)| (n.to_owned(), v.to_owned()));
        let config = Config::parse("", "test", variables.into_iter()).unwrap();
        assert_eq!(config.client[0].key, "1234567890123456");
        assert_eq!(config.customer[0].secret.0, "true");
        assert_eq!(config.organization[0].code, "110101");
        assert_eq!(config.sender[0].organizations, ["110101"]);
    }

    #[test]
    fn an_error_names_the_variable_and_never_its_value() {
        let variables =
            [("YINGKU__DICOM__MAX_ASSOCIATIONS", "hunter2hunter2"), ("YINGKU__HTTP__LISTEN", "127.0.0.1:1")];
        let variables = variables.map(|(n, v)| (n.to_owned(), v.to_owned()));
        let told = Config::parse("", "test", variables.into_iter()).unwrap_err().to_string();
        assert!(told.contains("YINGKU__DICOM__MAX_ASSOCIATIONS") && !told.contains("HTTP"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
