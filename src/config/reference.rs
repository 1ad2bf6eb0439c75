//! Writes `docs/configuration.md` from the doc comments of the configuration's structs; a test keeps the file true.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Config;

/// The whole document.
pub fn markdown() -> String {
    let schema = schemars::schema_for!(Config).to_value();
    let defaults = serde_json::to_value(Config::default()).unwrap_or(Value::Null);
    let mut text = String::from(
        "# Configuration\n\n\
         Generated from the code by `yingku check-config --reference`; do not edit.\n\n\
         One TOML file, named by `--config`. Each key can be set by a variable of the environment: \
         `YINGKU__SECTION__KEY`, for the entries of a list `YINGKU__SECTION__0__KEY`. Unknown keys are errors; \
         `yingku check-config` explains each fault.\n",
    );
    let definitions = schema.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    let sections = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, section) in &sections {
        let list = section.get("items");
        let heading = if list.is_some() { format!("[[{name}]]") } else { format!("[{name}]") };
        let _ = write!(text, "\n## `{heading}`\n\n{}\n", describe(section));
        let structure = resolve(list.unwrap_or(section), &definitions);
        table(&mut text, &structure, &definitions, defaults.get(name), "");
    }
    text
}

fn table(
    text: &mut String,
    structure: &Value,
    definitions: &Map<String, Value>,
    defaults: Option<&Value>,
    prefix: &str,
) {
    let Some(properties) = structure.get("properties").and_then(Value::as_object) else { return };
    if prefix.is_empty() {
        text.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
    }
    let required: Vec<&str> =
        structure.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, property) in properties {
        let meaning = describe(property).replace('|', "\\|").replace('\n', " ");
        let inner = match optional(property) {
            Some(inner) => resolve(inner, definitions),
            None => resolve(property, definitions),
        };
        let default = defaults.and_then(|d| d.get(key)).or_else(|| property.get("default"));
        if inner.get("properties").is_some() {
            if optional(property).is_some() {
                let _ = writeln!(text, "| `{prefix}{key}` | table | – | {meaning} |");
            }
            table(text, &inner, definitions, default, &format!("{prefix}{key}."));
            continue;
        }
        let default = match default {
            _ if required.contains(&key.as_str()) => "required".to_owned(),
            Some(Value::Null) | None => "–".to_owned(),
            Some(value) => format!("`{value}`"),
        };
        let _ = writeln!(text, "| `{prefix}{key}` | {} | {default} | {meaning} |", type_name(property, definitions));
        // The keys of each table of a list.
        if let Some(entry) = inner.get("items").map(|entry| resolve(entry, definitions)) {
            table(text, &entry, definitions, None, &format!("{prefix}{key}[]."));
        }
    }
}

/// What a table that may be left out holds.
fn optional(schema: &Value) -> Option<&Value> {
    let choices = schema.get("anyOf").and_then(Value::as_array)?;
    choices.iter().find(|choice| choice.get("$ref").is_some())
}

fn describe(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn resolve(schema: &Value, definitions: &Map<String, Value>) -> Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    name.and_then(|name| definitions.get(name)).unwrap_or(schema).clone()
}

fn type_name(schema: &Value, definitions: &Map<String, Value>) -> String {
    let schema = resolve(schema, definitions);
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().filter_map(Value::as_str).map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(choices) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
        let names = choices.iter().filter(|c| c.get("type").and_then(Value::as_str) != Some("null"));
        return names.map(|c| choice_name(c, definitions)).collect::<Vec<_>>().join(", ");
    }
    match schema.get("type") {
        Some(name) if *name == "array" || name.as_array().is_some_and(|names| names.contains(&"array".into())) => {
            match schema.get("items") {
                Some(items) if resolve(items, definitions).get("properties").is_some() => "list of tables".to_owned(),
                Some(items) => format!("list of {}", type_name(items, definitions)),
                None => "list".to_owned(),
            }
        }
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).filter(|n| *n != "null").collect::<Vec<_>>().join(" or ")
        }
        _ => "value".to_owned(),
    }
}

fn choice_name(choice: &Value, definitions: &Map<String, Value>) -> String {
    match choice.get("const").and_then(Value::as_str) {
        Some(word) => format!("`{word}`"),
        None => type_name(choice, definitions),
    }
}
