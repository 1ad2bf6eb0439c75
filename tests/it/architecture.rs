//! The rules of the house that the compiler does not keep: who may import whom (the table in
//! `docs/ARCHITECTURE.md` is read, not repeated), where sqlx and object_store may be named, sizes, module docs,
//! equal migrations, a test for each decision. The check is textual, on code lines outside `#[cfg(test)]` modules at a file's end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const MOST_LINES: usize = 500;

#[derive(Debug)]
struct Source {
    /// Below the package's folder, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// `domain` of `src/domain/uid.rs`, `integrations/x` of `src/integrations/x/mod.rs`, `server` of `src/server.rs`.
    fn room(&self) -> String {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let parts: Vec<&str> = below.trim_end_matches(".rs").split('/').collect();
        match parts.as_slice() {
            ["integrations", "mod"] => "integrations".to_owned(),
            ["integrations", x, ..] => format!("integrations/{x}"),
            [room, ..] => (*room).to_owned(),
            [] => String::new(),
        }
    }

    /// Lines that are neither comments nor part of the tests beside the code.
    fn code(&self) -> String {
        let before_tests = self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        before_tests
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .fold(String::new(), |code, line| code + line.split(" // ").next().unwrap_or_default() + "\n")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut found);
    }
    assert!(!found.is_empty());
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.push(Source { path: below, text: std::fs::read_to_string(&path).unwrap() });
        }
    }
}

/// What a room may name; `None` is everything.
type Table = BTreeMap<String, Option<BTreeSet<String>>>;

/// Reads the table under "Who may import whom".
fn table() -> Table {
    let text = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let section = text.split("## Who may import whom").nth(1).expect("the section is there");
    let mut table = Table::new();
    for line in section.lines().take_while(|line| !line.starts_with("## ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [rooms, allowed] = cells.as_slice() else { continue };
        if *rooms == "room" || rooms.starts_with("---") {
            continue;
        }
        // "… (web also soap)" gives one room of the row a little more.
        let (allowed, note) = allowed.split_once('(').map_or((*allowed, ""), |(a, n)| (a, n.trim_end_matches(')')));
        let allowed = allowed.split(';').next().unwrap_or_default();
        for room in rooms.split(',').map(str::trim) {
            let entry = match allowed.trim() {
                "everything" => None,
                "nothing of ours" => Some(BTreeSet::new()),
                _ => {
                    let mut names: BTreeSet<String> = allowed.split(',').map(|name| name.trim().to_owned()).collect();
                    if let Some(more) = note.strip_prefix(room).and_then(|rest| rest.trim().strip_prefix("also ")) {
                        names.extend(more.split(',').map(|name| name.trim().to_owned()));
                    }
                    Some(names)
                }
            };
            table.insert(room.to_owned(), entry);
        }
    }
    table
}

/// All paths that begin with `crate::`, two names deep; groups are opened.
fn imports(code: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (at, prefix) in code.match_indices("crate::") {
        if code[..at].ends_with("$") {
            continue;
        }
        for path in paths(&code[at + prefix.len()..]) {
            let mut names = path.split("::").map(|name| name.trim().to_owned());
            let first = names.next().unwrap_or_default();
            let second = names.next().unwrap_or_default();
            found.insert((first, second));
        }
    }
    found
}

/// `a::b` of `a::b::c;`, and each path of `{a::b, c::{d, e}}`.
fn paths(text: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    if let Some(group) = text.strip_prefix('{') {
        let (mut depth, mut from, mut all) = (0_i32, 0, Vec::new());
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    all.extend(paths(group[from..i].trim()));
                    break;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    all.extend(paths(group[from..i].trim()));
                    from = i + 1;
                }
                _ => {}
            }
        }
        return all;
    }
    let first = name(text);
    if first.is_empty() {
        return Vec::new();
    }
    match text[first.len()..].strip_prefix("::") {
        Some(rest) => {
            let deeper = paths(rest);
            if deeper.is_empty() { vec![first] } else { deeper.iter().map(|d| format!("{first}::{d}")).collect() }
        }
        None => vec![first],
    }
}

#[test]
fn a_room_names_only_the_rooms_that_the_table_allows() {
    let table = table();
    let rooms: BTreeSet<&str> = table.keys().map(|room| room.split('/').next().unwrap_or(room)).collect();
    let mut faults = Vec::new();
    for source in sources(&["src"]) {
        let room = source.room();
        let key = if room.starts_with("integrations/") { "integrations/x" } else { room.as_str() };
        let Some(entry) = table.get(key) else { continue };
        let Some(allowed) = entry else { continue };
        for (first, second) in imports(&source.code()) {
            let own = room == first || room == format!("{first}/{second}");
            let named = allowed.contains(&first) || allowed.contains(&format!("{first}::{second}"));
            if rooms.contains(first.as_str()) && !own && !named {
                faults.push(format!("{} names crate::{first}::{second}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "against the table in docs/ARCHITECTURE.md:\n{}", faults.join("\n"));
}

#[test]
fn the_table_speaks_of_every_room() {
    let table = table();
    // What the composition root is made of; it may name everything and is named by itself only.
    let apart = ["lib", "config", "telemetry", "integrations"];
    let missing: BTreeSet<String> = sources(&["src"])
        .iter()
        .map(Source::room)
        .filter(|room| !apart.contains(&room.as_str()) && !room.starts_with("integrations/"))
        .filter(|room| !table.contains_key(room.as_str()))
        .collect();
    assert!(missing.is_empty(), "docs/ARCHITECTURE.md says nothing of {missing:?}");
    assert!(table.contains_key("integrations/x") && table.len() >= 10, "the table was read: {table:?}");
}

#[test]
fn only_index_names_sqlx_and_only_objects_names_object_store() {
    let mut faults = Vec::new();
    for source in sources(&["src"]) {
        for (library, owner) in [("sqlx", "index"), ("object_store", "objects")] {
            let code = source.code();
            let named = code.contains(&format!("{library}::")) || code.contains(&format!("use {library}"));
            if named && source.room() != owner {
                faults.push(format!("{} names {library}", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_is_short_enough_to_read() {
    let mut faults = Vec::new();
    for source in sources(&["src", "tests", "benches"]) {
        // Unit tests that outgrew their file are a part of the module above them.
        let is_part = source.path.starts_with("src/") && source.path.ends_with("tests.rs");
        if !source.text.starts_with("//!") && !is_part {
            faults.push(format!("{} does not begin with a module doc", source.path));
        }
        let lines = source.text.lines().count();
        if lines > MOST_LINES {
            faults.push(format!("{} has {lines} lines, more than {MOST_LINES}", source.path));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn nothing_is_left_undone_or_silently_allowed() {
    // Written in two halves, so that this file does not accuse itself.
    let words =
        [concat!("todo", "!("), concat!("unimpl", "emented!("), concat!("#[al", "low("), concat!("#![al", "low(")];
    let mut faults = Vec::new();
    for source in sources(&["src", "tests", "benches", "fuzz"]) {
        for word in words.iter().filter(|word| source.text.contains(**word)) {
            faults.push(format!("{} says {word}…)", source.path));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_module_is_a_drawer_for_everything() {
    let drawers = ["util", "utils", "helper", "helpers", "common", "misc", "manager"];
    for source in sources(&["src", "tests", "benches"]) {
        let found = source.path.trim_end_matches(".rs").split('/').find(|part| drawers.contains(part));
        assert_eq!(found, None, "{}: what is in it has a noun of its own", source.path);
    }
}

#[test]
fn both_engines_have_the_same_schema() {
    let read = |engine: &str| {
        let mut files: Vec<PathBuf> = std::fs::read_dir(root().join("migrations").join(engine))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let statements = |text: String| {
            let lines: Vec<&str> = text.lines().map(|line| line.split("--").next().unwrap_or("").trim()).collect();
            // What one engine's planner wants to know is no part of the schema.
            let is_schema = |line: &&str| !["", "CREATE STATISTICS", "ANALYZE"].contains(&words_of_statement(line));
            lines.into_iter().filter(is_schema).map(str::to_owned).collect::<Vec<_>>()
        };
        files
            .into_iter()
            .map(|file| {
                let name = file.file_name().unwrap().to_str().unwrap().to_owned();
                (name, statements(std::fs::read_to_string(file).unwrap()))
            })
            .collect::<Vec<_>>()
    };
    let derived: Vec<(String, Vec<String>)> = read("sqlite")
        .into_iter()
        .map(|(name, lines)| {
            let postgres = |line: &String| line.replace("INTEGER", "BIGINT").replace("BLOB", "BYTEA");
            let lines = lines.iter().map(|line| postgres(line).replace(" WITHOUT ROWID", "")).collect();
            (name, lines)
        })
        .collect();
    assert_eq!(derived, read("postgres"));
}

#[test]
fn the_tests_that_the_conformance_statement_names_are_there() {
    let statement = std::fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let annex = statement.split("### Annex C").nth(1).unwrap().split("### Annex D").next().unwrap();
    let named: BTreeSet<&str> = annex.split('`').filter(|words| words.ends_with(".rs")).collect();
    assert!(named.len() > 20, "{named:?}");
    let missing: Vec<&&str> = named.iter().filter(|name| !root().join("tests/it").join(name).is_file()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The words by which a statement for a planner begins; of any other its whole line.
fn words_of_statement(line: &str) -> &str {
    ["CREATE STATISTICS", "ANALYZE"].into_iter().find(|words| line.starts_with(words)).unwrap_or(line)
}

/// Decisions of registration, queries, report files and what goes through all: their letters and numbers.
const DECISIONS: [(char, std::ops::RangeInclusive<u32>); 4] =
    [('r', 1..=40), ('q', 1..=11), ('i', 8..=13), ('x', 1..=12)];

/// The decisions whose ids are in the name of a test: of `d_r39_d_r40_what_is_text` R39 and R40.
fn decisions_in(name: &str) -> BTreeSet<(char, u32)> {
    let words: Vec<&str> = name.split('_').collect();
    let ids = words.windows(2).filter(|pair| pair[0] == "d").filter_map(|pair| {
        let letter = pair[1].chars().next()?;
        Some((letter, pair[1][letter.len_utf8()..].parse().ok()?))
    });
    ids.collect()
}

#[test]
fn every_decision_has_a_test_from_outside_that_carries_its_id() {
    let mut tested = BTreeSet::new();
    for source in sources(&["tests/it"]) {
        let lines = source.text.lines().map(str::trim_start);
        let names = lines.filter_map(|line| line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn "));
        tested.extend(names.filter_map(|rest| rest.split('(').next()).flat_map(decisions_in));
    }
    let all = DECISIONS.into_iter().flat_map(|(letter, numbers)| numbers.map(move |number| (letter, number)));
    let missing: Vec<(char, u32)> = all.filter(|decision| !tested.contains(decision)).collect();
    assert!(missing.is_empty(), "no test is called by these decisions, e.g. d_r1_…: {missing:?}");
}

#[test]
fn several_decisions_may_be_in_one_name() {
    assert_eq!(decisions_in("d_r39_d_r40_what_is_text"), BTreeSet::from([('r', 39), ('r', 40)]));
    assert_eq!(decisions_in("rd_17_d_i10_a_code"), BTreeSet::from([('i', 10)]));
    assert_eq!(decisions_in("add_r1_and_d_rows_of_d_r2x"), BTreeSet::new());
}

#[test]
fn the_reading_of_imports_opens_groups() {
    let code =
        "use crate::{archive::{Archive, Error}, domain::Uid};\nlet x = crate::params![1]; crate::index::audit::f();";
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let expected = BTreeSet::from([
        pair("archive", "Archive"),
        pair("archive", "Error"),
        pair("domain", "Uid"),
        pair("params", ""),
        pair("index", "audit"),
    ]);
    assert_eq!(imports(code), expected);
}
