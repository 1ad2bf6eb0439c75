//! Names of persons in queries (PS3.5 section 6.2.1, PS3.4 section C.2.2.2.1): component groups, case, width.
//!
//! A name has up to three groups (alphabetic, ideographic, phonetic). A query in any group finds the name: each group
//! that the query fills must fit one of the name's groups, except those whose place is empty in the name.

use super::Pattern;

/// The normal forms of a name's groups, each once: lower case, half width, blanks squeezed, empty ends cut off.
pub fn search_keys(name: &str) -> Vec<String> {
    let mut keys: Vec<String> = Vec::with_capacity(3);
    for group in groups(name) {
        if !group.is_empty() && !keys.contains(&group) {
            keys.push(group);
        }
    }
    keys
}

/// The normal forms of a name's groups by place.
pub(super) fn groups(name: &str) -> Vec<String> {
    name.split('=').take(3).map(normal_group).collect()
}

fn normal_group(group: &str) -> String {
    let components: Vec<String> = group.split(['^', '\u{FF3E}']).map(normal_component).collect();
    let joined = components.join("^");
    joined.trim_end_matches('^').to_owned()
}

fn normal_component(component: &str) -> String {
    let mut normal = String::with_capacity(component.len());
    for c in component.chars() {
        let narrow = match c {
            '\u{3000}' => ' ',
            '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
            c => c,
        };
        if narrow == ' ' {
            if !normal.is_empty() && !normal.ends_with(' ') {
                normal.push(' ');
            }
        } else {
            normal.extend(narrow.to_lowercase());
        }
    }
    let end = normal.trim_end().len();
    normal.truncate(end);
    normal
}

/// The words of a group in normal form.
pub(super) fn narrow_words(group: &str) -> impl Iterator<Item = &str> {
    group.split(['^', ' ', ',', '、', '·', '・', '•']).filter(|word| !word.is_empty())
}

/// A name in a query, with or without wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    /// By place; empty where the query says nothing.
    groups: Vec<Pattern>,
}

impl NamePattern {
    /// Reads the value of a key; `None` when nothing is asked.
    pub(super) fn read(value: &str) -> Option<Self> {
        let groups: Vec<Pattern> = groups(value).iter().map(|group| Pattern::new(group)).collect();
        let asks = groups.iter().any(|group| !is_open(group));
        asks.then_some(Self { groups })
    }

    /// What an index should look up: every name that fits has a group that fits one of these.
    pub fn lookups(&self) -> Vec<&Pattern> {
        self.groups.iter().filter(|group| !is_open(group)).collect()
    }

    /// Whether the name fits.
    pub fn matches(&self, name: &str) -> bool {
        let names = groups(name);
        let mut fits = false;
        for (place, pattern) in self.groups.iter().enumerate().filter(|(_, group)| !is_open(group)) {
            if names.iter().any(|group| !group.is_empty() && pattern.matches(group)) {
                fits = true;
            } else if names.get(place).is_some_and(|group| !group.is_empty()) {
                return false;
            }
        }
        fits
    }
}

fn is_open(group: &Pattern) -> bool {
    matches!(group.as_str(), "" | "*")
}
