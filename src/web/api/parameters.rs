//! Parameters of queries: each name is known or refused, so that a misspelt filter never widens an answer.

use super::config::ApiConfig;
use super::problem::{Code, Problem};
use crate::archive::reports::pull_reports::{ListPosition, ReportQuery, Subject};
use crate::domain::cursor::Cursor;
use crate::domain::date_time::{self, Moment};

/// Most parameters of a query.
const MOST_PARAMETERS: usize = 100;

/// The parameters of a query, in order.
#[derive(Debug, Clone, Default)]
pub(in crate::web) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query in which only these names may stand.
    pub(in crate::web) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .take(MOST_PARAMETERS + 1)
            .map(|(name, value)| (name.into_owned(), value.trim().to_owned()))
            .collect();
        if pairs.len() > MOST_PARAMETERS {
            return Err(Problem::about(Code::BadParameter, "too many parameters"));
        }
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            // The name comes from outside: only what a name may look like is repeated.
            let shown = name.chars().filter(|c| c.is_ascii_alphanumeric() || "_-:.".contains(*c));
            return Err(Problem::about(Code::UnknownParameter, shown.take(64).collect::<String>()));
        }
        // An empty filter is a caller's fault that would widen the answer; an empty cursor is the first page.
        let is_odd = |(name, value): &&(String, String)| value.is_empty() && !name.ends_with("cursor");
        match pairs.iter().find(is_odd) {
            Some((name, _)) => Err(Problem::about(Code::BadParameter, format!("{name} is empty"))),
            None => Ok(Self(pairs)),
        }
    }

    /// The one value of a parameter, empty when it is not there; two are refused.
    pub(in crate::web) fn one(&self, name: &str) -> Result<&str, Problem> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value.unwrap_or_default()),
            _ => Err(Problem::about(Code::BadParameter, format!("{name} stands twice"))),
        }
    }

    /// All values of a parameter, repeated or separated by commas.
    pub(in crate::web) fn all(&self, name: &str) -> Vec<String> {
        let values = self.0.iter().filter(|(key, _)| key == name).flat_map(|(_, value)| value.split(','));
        values.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect()
    }

    pub(in crate::web) fn number<N: std::str::FromStr>(&self, name: &'static str) -> Result<Option<N>, Problem> {
        let text = self.one(name)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| Problem::about(Code::BadParameter, name))
    }

    /// How many are wanted, within the limit.
    pub(in crate::web) fn limit(&self, name: &'static str, config: &ApiConfig) -> Result<u32, Problem> {
        let wanted = self.number::<u32>(name)?.unwrap_or(config.page_size);
        if wanted == 0 {
            return Err(Problem::about(Code::BadParameter, name));
        }
        Ok(wanted.min(config.max_page_size))
    }

    pub(super) fn kinds(&self) -> Result<Vec<Subject>, Problem> {
        let kind = |text: &String| {
            let found = Subject::ALL.into_iter().find(|subject| subject.as_str() == text);
            found.ok_or_else(|| Problem::about(Code::BadParameter, "kind is exam or lab"))
        };
        self.all("kind").iter().map(kind).collect()
    }

    pub(super) fn organizations(&self) -> Option<Vec<String>> {
        Some(self.all("organization")).filter(|codes| !codes.is_empty())
    }

    /// `from` and `to` in the kept form; a day as the end means its last second.
    pub(super) fn window(&self) -> Result<Window, Problem> {
        let read = |name: &str| {
            let text = self.one(name)?;
            date_time::parse(text).map_err(|_| Problem::about(Code::BadDate, name))
        };
        let window = Window { from: read("from")?, to: read("to")?.map(Moment::as_range_end) };
        match (window.from, window.to) {
            (Some(from), Some(to)) if to.epoch_ms() < from.epoch_ms() => {
                Err(Problem::about(Code::BadDate, "to is before from"))
            }
            _ => Ok(window),
        }
    }

    /// Where a list goes on, when the cursor is one of the same question.
    pub(in crate::web) fn list_position(
        &self,
        name: &'static str,
        query: &ReportQuery,
    ) -> Result<Option<ListPosition>, Problem> {
        match self.one(name)? {
            "" => Ok(None),
            text => match Cursor::decode(text) {
                Some(Cursor::List { question, at, pk, .. }) if question == query.fingerprint() => Ok(Some((at, pk))),
                _ => Err(Code::BadCursor.into()),
            },
        }
    }
}

impl Parameters {
    /// The first moment of a list whose question names none, as the page before said it; `None` on the first page.
    pub(super) fn since(&self, name: &str) -> Result<Option<String>, Problem> {
        let cursor = Cursor::decode(self.one(name)?);
        Ok(match cursor {
            Some(Cursor::List { since, .. }) if !since.is_empty() => Some(since),
            _ => None,
        })
    }
}

/// A window of time; a side that is not given is open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) from: Option<Moment>,
    pub(super) to: Option<Moment>,
}

impl Window {
    /// Closes an open side, now being the latest, and holds the window against the limit.
    pub(super) fn closed(self, now: Moment, max_days: i64) -> Result<[Moment; 2], Problem> {
        let to = self.to.unwrap_or(now);
        let from = self.from.unwrap_or_else(|| to.plus_months(-3));
        if to.epoch_ms() < from.epoch_ms() {
            return Err(Problem::about(Code::BadDate, "from is later than now"));
        }
        if to.days_since(from) > max_days {
            return Err(Problem::about(Code::SpanTooLong, format!("{max_days} days")));
        }
        Ok([from, to])
    }
}

/// The cursor after a page.
pub(in crate::web) fn cursor_after(query: &ReportQuery, next: Option<ListPosition>) -> Option<String> {
    let since = if query.from_is_ours { query.from.clone() } else { String::new() };
    next.map(|(at, pk)| Cursor::List { question: query.fingerprint(), since, at, pk }.encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_known_is_refused() {
        let problem = Parameters::read(Some("organisation=ORG-T01"), &["organization"]).unwrap_err();
        assert_eq!((problem.code, problem.detail.as_str()), (Code::UnknownParameter, "organisation"));
        let hostile = Parameters::read(Some("%3Cb%3E%0a=1"), &[]).unwrap_err();
        assert_eq!(hostile.detail, "b");
        assert_eq!(Parameters::read(Some("id_no="), &["id_no"]).unwrap_err().code, Code::BadParameter);
        assert!(Parameters::read(Some("a=1&a=2"), &["a"]).unwrap().one("a").is_err());
    }

    #[test]
    fn lists_are_repeated_or_separated_by_commas() {
        let parameters = Parameters::read(Some("k=a,b&k=c&cursor="), &["k", "cursor"]).unwrap();
        assert_eq!(parameters.all("k"), ["a", "b", "c"]);
    }

    #[test]
    fn a_window_is_closed_by_three_months_and_limited() {
        let now = date_time::parse("2024-05-31 10:00:00").unwrap().unwrap();
        let window = |query: &str| {
            let window = Parameters::read(Some(query), &["from", "to"]).unwrap().window()?;
            window.closed(now, 100).map(|both| both.map(|moment| moment.to_string()))
        };
        assert_eq!(window("").unwrap(), ["2024-02-29 10:00:00", "2024-05-31 10:00:00"]);
        assert_eq!(window("from=2024-05-01&to=2024-05-02").unwrap(), ["2024-05-01 00:00:00", "2024-05-02 23:59:59"]);
        assert_eq!(window("from=2023-01-01").unwrap_err().code, Code::SpanTooLong);
        assert_eq!(window("from=2024-05-02&to=2024-05-01").unwrap_err().code, Code::BadDate);
        assert_eq!(window("from=2024-06-02").unwrap_err().code, Code::BadDate);
        assert_eq!(window("from=x").unwrap_err().code, Code::BadDate);
    }
}
