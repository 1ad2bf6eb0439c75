//! A data set as a tree of attributes, for the JSON model (PS3.18 annex F) and the XML model (PS3.19 annex A).
//!
//! Texts are UTF-8 whatever the object had. Long binary values are not part of it: they are named by a path of tags and
//! item numbers (`00880200/1/7FE00010`), under which [`find_bulk`] finds their bytes again. So are attributes of more than
//! [`MOST_VALUES`] values. Nothing is allocated from declared lengths; an object with more than [`MOST_ATTRIBUTES`]
//! attributes is refused.

mod read;

pub use read::{BulkValue, MOST_ATTRIBUTES, MOST_VALUES, ReadOptions, TooManyAttributes, find_bulk, read};

use super::elements::Tag;

/// Attributes in the order of their tags.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataSet {
    attributes: Vec<Attribute>,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Its tag.
    pub tag: Tag,
    /// Its value representation.
    pub vr: [u8; 2],
    /// Its value.
    pub value: Value,
    /// For a private attribute: who defines it.
    pub private_creator: Option<String>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Present without a value.
    Empty,
    /// Texts; an empty one among several is a missing value.
    Texts(Vec<String>),
    /// Person names: alphabetic, ideographic and phonetic group.
    Names(Vec<[String; 3]>),
    /// Numbers.
    Numbers(Vec<Number>),
    /// The items of a sequence.
    Items(Vec<DataSet>),
    /// Bytes that are kept outside, by their path.
    Bulk(String),
    /// A few bytes.
    Bytes(Vec<u8>),
}

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub enum Number {
    /// A whole number.
    Integer(i64),
    /// A whole number that may be too large for the other.
    Unsigned(u64),
    /// A binary fraction; may be infinite or no number.
    Float(f64),
    /// The text of a DS or IS value.
    Decimal(String),
}

impl Value {
    /// About how many bytes of memory lie behind it.
    fn weight(&self) -> usize {
        let text = |text: &String| size_of::<String>() + text.len();
        match self {
            Value::Empty => 0,
            Value::Texts(texts) => texts.iter().map(text).sum(),
            Value::Names(names) => names.iter().flatten().map(text).sum(),
            Value::Numbers(numbers) => {
                let behind = |number: &Number| match number {
                    Number::Decimal(text) => text.len(),
                    _ => 0,
                };
                numbers.iter().map(|number| size_of::<Number>() + behind(number)).sum()
            }
            Value::Items(items) => items.iter().map(DataSet::weight).sum(),
            Value::Bulk(path) => path.len(),
            Value::Bytes(bytes) => bytes.len(),
        }
    }
}

impl DataSet {
    /// About how many bytes of memory it takes, items within items counted in.
    pub fn weight(&self) -> usize {
        let behind = |attribute: &Attribute| {
            attribute.value.weight() + attribute.private_creator.as_ref().map_or(0, String::len)
        };
        size_of::<Self>() + self.attributes.iter().map(|one| size_of::<Attribute>() + behind(one)).sum::<usize>()
    }

    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// All attributes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter()
    }

    /// The attribute with this tag.
    pub fn get(&self, tag: Tag) -> Option<&Attribute> {
        self.attributes.binary_search_by_key(&tag, |a| a.tag).ok().map(|at| &self.attributes[at])
    }

    /// Puts an attribute in its place, over one that is there.
    pub fn put(&mut self, tag: Tag, vr: &[u8; 2], value: Value) -> &mut Self {
        let attribute = Attribute { tag, vr: *vr, value, private_creator: None };
        match self.attributes.binary_search_by_key(&tag, |a| a.tag) {
            Ok(at) => self.attributes[at] = attribute,
            Err(at) => self.attributes.insert(at, attribute),
        }
        self
    }

    /// Puts one text; an empty one is an attribute without a value.
    pub fn put_text(&mut self, tag: Tag, vr: &[u8; 2], text: impl Into<String>) -> &mut Self {
        let text = text.into();
        let value = if text.is_empty() { Value::Empty } else { Value::Texts(vec![text]) };
        self.put(tag, vr, value)
    }

    /// Puts one whole number.
    pub fn put_number(&mut self, tag: Tag, vr: &[u8; 2], number: i64) -> &mut Self {
        self.put(tag, vr, Value::Numbers(vec![Number::Integer(number)]))
    }

    /// Puts the items of a sequence.
    pub fn put_items(&mut self, tag: Tag, items: Vec<DataSet>) -> &mut Self {
        let value = if items.is_empty() { Value::Empty } else { Value::Items(items) };
        self.put(tag, b"SQ", value)
    }
}

/// A person name with its component groups parted; blanks and empty components at their ends are taken off.
pub fn person_name(text: &str) -> [String; 3] {
    let mut groups = text.splitn(3, '=').map(|group| group.trim().trim_end_matches('^').to_owned());
    std::array::from_fn(|_| groups.next().unwrap_or_default())
}
