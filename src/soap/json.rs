//! JSON read as the tree that XML makes: objects are elements, arrays repeat the element, plain values are its text.
//!
//! Read piece by piece into the tree, without a tree of JSON before it, so that what is too large is known before it is there.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::limits::{Account, XmlLimits};
use super::xml::{Element, XmlError};

/// Reads a document; its outermost element is called `root`, the items of an array without a name `item`.
pub fn parse(text: &str, limits: &XmlLimits) -> Result<Element, XmlError> {
    let mut root = Element { name: "root".to_owned(), ..Element::default() };
    let mut reading = Reading { account: Account::new(limits, text.len()), depth: limits.depth, exceeded: None };
    let mut reader = serde_json::Deserializer::from_str(text);
    let whole =
        Value { reading: &mut reading, parent: &mut root, name: "item", place: Place::Whole, levels: limits.depth };
    let read = whole.deserialize(&mut reader).and_then(|()| reader.end());
    match (reading.exceeded, read) {
        (Some(exceeded), _) => Err(exceeded),
        (None, Err(error)) => Err(XmlError::Malformed(error.column() as u64)),
        (None, Ok(())) => Ok(root),
    }
}

struct Reading<'l> {
    account: Account<'l>,
    depth: usize,
    /// Why the reading stopped; the error of the reader has only words.
    exceeded: Option<XmlError>,
}

impl Reading<'_> {
    fn told<T, E: Error>(&mut self, outcome: Result<T, XmlError>) -> Result<T, E> {
        outcome.map_err(|exceeded| {
            let error = E::custom(&exceeded);
            self.exceeded = Some(exceeded);
            error
        })
    }

    fn element<E: Error>(&mut self, name: &str) -> Result<Element, E> {
        let element = self.account.element(name);
        self.told(element)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A value of its own: the members of an object belong to the element that it stands in.
    Whole,
    /// The value of a member: an object is an element of the member's name.
    Member,
}

/// A value that goes into an element.
struct Value<'a, 'l> {
    reading: &'a mut Reading<'l>,
    parent: &'a mut Element,
    name: &'a str,
    place: Place,
    /// Levels that may still be entered.
    levels: usize,
}

impl Value<'_, '_> {
    fn leaf<E: Error>(self, text: String) -> Result<(), E> {
        let mut element = self.reading.element::<E>(self.name)?;
        let kept = self.reading.account.text(&text);
        self.reading.told::<(), E>(kept)?;
        element.text = text;
        self.parent.children.push(element);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let depth = self.reading.depth;
        let left = self.levels.checked_sub(1).ok_or(XmlError::TooLarge { what: "levels of elements", limit: depth });
        let levels = self.reading.told::<usize, D::Error>(left)?;
        deserializer.deserialize_any(Self { levels, ..self })
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        let Self { reading, parent, name, place, levels } = self;
        let mut own = (place == Place::Member).then(|| reading.element::<M::Error>(name)).transpose()?;
        let into = own.as_mut().unwrap_or(&mut *parent);
        while let Some(name) = members.next_key::<String>()? {
            let reading = &mut *reading;
            members.next_value_seed(Value {
                reading,
                parent: &mut *into,
                name: &name,
                place: Place::Member,
                levels,
            })?;
        }
        parent.children.extend(own);
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<(), S::Error> {
        let Self { reading, parent, name, levels, .. } = self;
        loop {
            let mut child = Element::default();
            let item = Value { reading: &mut *reading, parent: &mut child, name: "item", place: Place::Whole, levels };
            if items.next_element_seed(item)?.is_none() {
                return Ok(());
            }
            let named = reading.element::<S::Error>(name)?;
            if !child.children.is_empty() {
                parent.children.push(Element { children: child.children, ..named });
            }
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.leaf(text.to_owned())
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<(), E> {
        self.leaf((if flag { "1" } else { "0" }).to_owned())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.leaf(number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.leaf(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        // As JSON writes it, which is not as Rust does.
        self.leaf(serde_json::Number::from_f64(number).map_or_else(String::new, |number| number.to_string()))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.leaf(String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Element {
        parse(text, &XmlLimits::default()).unwrap()
    }

    fn too_large(text: &str) -> &'static str {
        match parse(text, &XmlLimits::default()) {
            Err(XmlError::TooLarge { what, .. }) => what,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn objects_are_elements_arrays_repeat_them_and_plain_values_are_text() {
        let root = read(r#"{"a":{"b":"1","c":2,"d":1.50,"e":true,"f":null,"g":-3},"h":[{"i":"x"},{"i":"y"}],"j":[]}"#);
        let values: Vec<(&str, &str)> = root.children[0].values().collect();
        assert_eq!(values, [("b", "1"), ("c", "2"), ("d", "1.5"), ("e", "1"), ("f", ""), ("g", "-3")]);
        let items: Vec<&str> = root.children[1..].iter().map(|h| h.child("i").unwrap().text.as_str()).collect();
        assert_eq!((items, root.children[1].name.as_str()), (vec!["x", "y"], "h"));
        assert_eq!(read(r#"[{"a":1}]"#).children[0].child("a").unwrap().text, "1");
    }

    #[test]
    fn what_is_no_json_is_told_and_what_is_too_deep_is_not_read_to_its_end() {
        for text in ["", "{", "{\"a\":", "{}x", "[1,]", "\u{1}"] {
            assert!(matches!(parse(text, &XmlLimits::default()), Err(XmlError::Malformed(_))), "{text}");
        }
        assert_eq!(too_large(&"[".repeat(100_000)), "levels of elements");
        let limits = XmlLimits { elements: 4, ..XmlLimits::default() };
        assert!(parse(r#"{"a":1,"b":2,"c":3,"d":4}"#, &limits).is_ok());
        assert!(parse(r#"{"a":1,"b":2,"c":3,"d":4,"e":5}"#, &limits).is_err());
    }

    #[test]
    fn d_r33_a_long_name_is_not_given_to_every_item_and_a_tree_is_no_larger_than_its_limit() {
        let many = "0,".repeat(1_000_000);
        assert_eq!(too_large(&format!("{{\"{}\":[{many}0]}}", "n".repeat(1_000_000))), "bytes of a name");
        assert_eq!(too_large(&format!("{{\"n\":[{many}0]}}")), "bytes of memory");
        assert_eq!(too_large(&format!("{{\"{}\":\"\"}}", "n".repeat(300))), "bytes of a name");
        let limits = XmlLimits { bytes: 10_000, ..XmlLimits::default() };
        assert!(parse(&format!("{{\"a\":\"{}\"}}", "x".repeat(9000)), &limits).is_ok());
        assert!(parse(&format!("{{\"a\":\"{}\"}}", "x".repeat(11_000)), &limits).is_err());
    }
}
