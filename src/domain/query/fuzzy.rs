//! Fuzzy matching of names of persons (PS3.4 section C.2.2.2.1.1, PS3.18 section 8.3.4.2): by words, in any order.
//!
//! A word is what stands between `^`, blanks, commas and middle dots, without regard to case and width. A query fits a
//! name when each of its words begins a word of the name, in whichever component group, or a whole group written
//! without separators (`王小明` finds `王^小明`); or when the query itself, written so, begins such a group. Where a
//! query fills several groups, each must fit, except those whose place is empty in the name.

use super::name::{groups, narrow_words};
use super::{Pattern, search_keys};

/// Words of one group of a query; nobody has more, and each costs a comparison with each word of a name.
const MAX_WORDS: usize = 8;

/// The words of a name that no key of [`search_keys`] begins with, each once.
pub fn search_words(name: &str) -> Vec<String> {
    let keys = search_keys(name);
    let mut found: Vec<String> = Vec::new();
    for word in words_of_name(&groups(name)) {
        if !keys.iter().any(|key| key.starts_with(&word)) && !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

/// The words of all groups, and each group without separators.
fn words_of_name(groups: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    for group in groups {
        let of_group: Vec<&str> = narrow_words(group).collect();
        if of_group.len() > 1 {
            words.push(of_group.concat());
        }
        words.extend(of_group.into_iter().map(str::to_owned));
    }
    words
}

/// A name in a query, compared by its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FuzzyName {
    /// By place; without words where the query says nothing.
    groups: Vec<Words>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Words {
    /// Each ends with `*`.
    words: Vec<Pattern>,
    /// All of them without separators, ending with `*`.
    joined: Pattern,
}

/// A group of the query has more words than any name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyWords;

impl FuzzyName {
    /// Reads the value of a key; `None` when nothing is asked.
    pub(super) fn read(value: &str) -> Result<Option<Self>, TooManyWords> {
        let mut read = Vec::new();
        for group in groups(value) {
            let words: Vec<&str> =
                narrow_words(&group).map(|word| word.trim_end_matches('*')).filter(|word| !word.is_empty()).collect();
            if words.len() > MAX_WORDS {
                return Err(TooManyWords);
            }
            let beginning = |word: &str| Pattern::new(&format!("{word}*"));
            let joined = beginning(&words.concat());
            read.push(Words { words: words.into_iter().map(beginning).collect(), joined });
        }
        let asks = read.iter().any(|group| !group.words.is_empty());
        Ok(asks.then_some(Self { groups: read }))
    }

    /// What an index should look up among keys and words: every name that fits has one that fits one of these.
    pub fn lookups(&self) -> Vec<&Pattern> {
        let mut lookups = Vec::new();
        for group in &self.groups {
            let narrowest = group.words.iter().max_by_key(|word| word.prefix().len());
            for pattern in narrowest.into_iter().flat_map(|word| [word, &group.joined]) {
                if !lookups.contains(&pattern) {
                    lookups.push(pattern);
                }
            }
        }
        lookups
    }

    /// Whether the name fits.
    pub fn matches(&self, name: &str) -> bool {
        let names = groups(name);
        let words = words_of_name(&names);
        let begins = |pattern: &Pattern| words.iter().any(|word| pattern.matches(word));
        let mut fits = false;
        for (place, group) in self.groups.iter().enumerate().filter(|(_, group)| !group.words.is_empty()) {
            if group.words.iter().all(begins) || begins(&group.joined) {
                fits = true;
            } else if names.get(place).is_some_and(|name| !name.is_empty()) {
                return false;
            }
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fit_in_any_order_and_any_group_by_their_beginnings() {
        for (asked, name, expected) in [
            ("xiao wang", "Wang^Xiaoming=王^小明", true),
            ("WANG,XIAOM", "Wang^Xiaoming=王^小明", true),
            ("ｘｉａｏ", "Wang^Xiaoming", true),
            ("小明", "Wang^Xiaoming=王^小明", true),
            ("王小明", "Wang^Xiaoming=王^小明", true),
            ("王小", "Wang^Xiaoming=王^小明", true),
            ("wangxiaoming", "Wang^Xiaoming=王^小明", true),
            ("王^小明", "王小明", true),
            ("小明 wang", "Wang^Xiaoming=王^小明", true),
            ("ming", "Wang^Xiaoming=王^小明", false),
            ("wang xiaohong", "Wang^Xiaoming=王^小明", false),
            ("w?ng* xiao*", "Wang^Xiaoming", true),
            ("*ming", "Wang^Xiaoming", true),
            ("Xiaoming^Wang=王^小", "Wang^Xiaoming=王^小明", true),
            ("Wang^Xiaoming=李", "Wang^Xiaoming=王^小明", false),
            ("Wang^Xiaoming=李", "Wang^Xiaoming", true),
            ("阿不都", "阿不都·热合曼", true),
            ("热合曼", "阿不都·热合曼", true),
            ("wang", "", false),
        ] {
            let pattern = FuzzyName::read(asked).unwrap().unwrap();
            assert_eq!(pattern.matches(name), expected, "{asked} {name}");
        }
    }

    #[test]
    fn nothing_asked_is_no_condition_and_endless_words_are_refused() {
        for open in ["", "*", "^", "* *", "="] {
            assert_eq!(FuzzyName::read(open), Ok(None), "{open}");
        }
        assert_eq!(FuzzyName::read(&"a ".repeat(9)), Err(TooManyWords));
    }

    proptest::proptest! {
        #[test]
        fn whatever_fits_is_found_by_its_keys(name in "[ab王小^= ]{0,10}", asked in "[ab王小^= ?*]{1,8}") {
            let Ok(Some(pattern)) = FuzzyName::read(&asked) else { return Ok(()) };
            if pattern.matches(&name) {
                let keys = [search_keys(&name), search_words(&name)].concat();
                let is_found = pattern.lookups().iter().any(|lookup| keys.iter().any(|key| lookup.matches(key)));
                proptest::prop_assert!(is_found, "{keys:?}");
            }
        }
    }
}
