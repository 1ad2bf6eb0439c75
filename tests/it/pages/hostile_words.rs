//! What hospitals might send to do harm, each kind by itself.
//!
//! Every payload begins with a mark of its own, `§` and its number: the spec finds it on a page by the mark, and sees whether
//! the rest stands there letter by letter.

use super::hospital::EVIL_TITLE;

/// None is longer than a title or an LO of DICOM takes, so that none is cut.
pub const CORPUS: [&str; 20] = [
    "§00 <script>evil=1</script>",
    // Out of an attribute, by either quote.
    "§01 \"><img src=x onerror=evil=1>",
    "§02 '><x-evil a='b",
    // More attributes of the same element, which run by themselves.
    "§03 \" onfocus=\"evil=1\" autofocus tabindex=\"0",
    "§04 ' onmouseover='evil=1' style='position:fixed;inset:0",
    "§05 javascript:evil=1//",
    // Out of elements whose content is no markup.
    "§06 </title></textarea></noscript><svg/onload=evil=1>",
    // Templates, JSON and scripts.
    "§07 {{7*7}} ${evil=1} <%= 7*7 %> #{7*7} {% evil %}",
    "§08 \"}]}</script><script>evil=1</script>",
    "§09 </style><style>*{display:none}</style>",
    "§10 ;}body{background:url(//evil.example/a.png)}",
    // What is decoded once too often.
    "§11 &lt;x-evil&gt; &#60;x-evil&#62; &quot; &amp;lt;",
    "§12 +ADw-script+AD4-evil=1+ADw-/script+AD4-",
    "§13 %3Cx-evil%3E %C0%BCx-evil%C0%BE \\u003cx-evil\\u003e",
    // Read from right to left, and isolated.
    "§14 \u{202e}>live-x<\u{202c} \u{2067}x\u{2069}\u{200f}",
    // Not quite nothing: a byte order mark, a space without width, zeros in writing.
    "§15 \u{feff}<\u{200b}x-evil>&#0;%00\u{2400}</x-evil>",
    "§16 <!--><x-evil>--!> ]]><![CDATA[<x-evil>]]>",
    "§17 <iframe srcdoc='<script>evil=1</script>'></iframe>",
    "§18 <base href=//evil.example><a href=//evil.example>x</a>",
    "§19 <math><mi xlink:href='data:text/html,<x-evil>'>",
];

/// What stands in every field that comes from outside.
#[derive(Debug, Clone)]
pub struct Words {
    /// In a text of any kind.
    pub any: Vec<String>,
    /// Where backslashes part values, or little room is.
    pub titles: Vec<String>,
    /// In the name of a person, which `^` and `=` divide.
    pub persons: Vec<String>,
    pub organization: String,
}

impl Words {
    /// Everywhere the same.
    pub fn one(text: &str) -> Self {
        let all = || vec![text.to_owned()];
        Self {
            any: all(), titles: vec![EVIL_TITLE.to_owned()], persons: all(), organization: "示例医院".to_owned()
        }
    }

    /// One payload after the other.
    pub fn corpus() -> Self {
        let without = |signs: &[char]| {
            CORPUS.iter().filter(|text| !text.contains(signs)).map(|text| (*text).to_owned()).collect::<Vec<_>>()
        };
        Self {
            any: without(&[]),
            titles: without(&['\\']),
            persons: without(&['\\', '^', '=']),
            organization: CORPUS[1].to_owned(),
        }
    }

    /// The payload of that turn.
    pub fn text(&self, turn: usize) -> &str {
        &self.any[turn % self.any.len()]
    }

    /// The title of that turn.
    pub fn title(&self, turn: usize) -> &str {
        &self.titles[turn % self.titles.len()]
    }
}

/// Puts one of the texts of the JSON array `$1` into each column, in each row another one.
pub fn rotated(table: &str, columns: &[&str], condition: &str) -> &'static str {
    let one = |(at, column): (usize, &&str)| {
        format!("{column} = json_extract($1, '$[' || ((id + {at}) % json_array_length($1)) || ']')")
    };
    let set: Vec<String> = columns.iter().enumerate().map(one).collect();
    format!("UPDATE {table} SET {} WHERE {condition}", set.join(", ")).leak()
}
