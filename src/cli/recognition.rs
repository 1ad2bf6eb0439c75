//! `yingku recognition`: records of mutual recognition, their figures, and the list of recognised items (RD-32, D-X10).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::inbox::moment;
use super::{ConfigFile, csv, operator, with_archive};
use crate::archive::Archive;
use crate::archive::reports::recognitions::{ListedRecognition, RecognitionFilter, RecognitionStatistics};
use crate::domain::date_time::{self, local_text};
use crate::domain::dictionary::listed;
use crate::domain::recognition::{ItemKind, NOT_RECOGNISED, RecognisedItem};
use crate::web::operations;

/// Records that are read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Args)]
pub(super) struct Recognition {
    #[command(flatten)]
    file: ConfigFile,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List records, the newest decision first.
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Print how often reports are recognised, by organisations, kind and reason.
    Statistics {
        #[command(flatten)]
        which: Which,
        /// As CSV with one line for each figure.
        #[arg(long, conflicts_with = "json")]
        csv: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print all records as CSV.
    Export {
        #[command(flatten)]
        which: Which,
    },
    /// Print the list of recognised items as CSV.
    Items,
    /// Read the list of recognised items from a CSV file, in the place of the one before: kind, organization, item, aliases,
    /// level, valid_from, valid_to. Without a level an item is one of the negative list.
    ImportItems {
        /// UTF-8 with or without a byte order mark, or GB18030.
        path: PathBuf,
        /// Most bytes of the file.
        #[arg(long, default_value_t = 16 * 1024 * 1024)]
        max_bytes: u64,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Only reports of this organisation.
    #[arg(long)]
    org: Option<String>,
    /// Only decisions of this organisation.
    #[arg(long)]
    by: Option<String>,
    /// Only decisions about this report, by its id.
    #[arg(long)]
    report: Option<String>,
    /// Only what was not recognised.
    #[arg(long)]
    refused: bool,
    /// Decided at this time or later, e.g. 2026-03-01.
    #[arg(long, value_parser = moment)]
    since: Option<i64>,
    /// Decided before this time.
    #[arg(long, value_parser = moment)]
    until: Option<i64>,
}

impl Which {
    fn filter(self) -> anyhow::Result<RecognitionFilter> {
        let uid = |text: String| crate::domain::criteria::observation_uid(&text).context("--report is no id");
        Ok(RecognitionFilter {
            organizations: self.org.into_iter().collect(),
            by_organizations: self.by.into_iter().collect(),
            observation_uid: self.report.map(uid).transpose()?.unwrap_or_default(),
            recognised: self.refused.then_some(false),
            from: self.since,
            until: self.until,
            ..RecognitionFilter::default()
        })
    }
}

impl Recognition {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        with_archive(&self.file.load()?, async |archive| self.command.run(archive).await).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Command {
    async fn run(self, archive: &Archive) -> anyhow::Result<()> {
        match self {
            Command::List { which, limit } => {
                each(archive, "recognition list", &which.filter()?, limit, |record| {
                    println!("{}", line(archive, record))
                })
                .await
            }
            Command::Export { which } => {
                print!("\u{FEFF}{}", csv::row(&COLUMNS));
                let filter = which.filter()?;
                each(archive, "recognition export", &filter, usize::MAX, |record| print!("{}", cells(record))).await
            }
            Command::Statistics { which, csv, json } => {
                let filter = which.filter()?;
                anyhow::ensure!(filter.observation_uid.is_empty(), "--report has no statistics; see list --report");
                let figures = archive.count_recognitions(operator("recognition statistics"), &filter).await?;
                match (json, csv) {
                    (true, _) => println!("{}", serde_json::to_string_pretty(&figures)?),
                    (false, true) => print!("{}", operations::recognition_csv(&figures)),
                    (false, false) => print!("{}", told(&figures)),
                }
                Ok(())
            }
            Command::Items => {
                print!("{}", csv::row(&ITEM_COLUMNS));
                for item in archive.recognised_items().all() {
                    let RecognisedItem { kind, org_code, item, aliases, level, valid_from, valid_to } = item;
                    let aliases = aliases.join("|");
                    print!("{}", csv::row(&[kind.as_str(), org_code, item, &aliases, level, valid_from, valid_to]));
                }
                Ok(())
            }
            Command::ImportItems { path, max_bytes } => {
                let items = read(&path, max_bytes).with_context(|| path.display().to_string())?;
                let count = items.len();
                archive.import_recognised_items(operator("recognition import-items"), items).await?;
                println!("imported: {count}");
                Ok(())
            }
        }
    }
}

async fn each(
    archive: &Archive,
    command: &str,
    filter: &RecognitionFilter,
    limit: usize,
    mut tell: impl FnMut(&ListedRecognition),
) -> anyhow::Result<()> {
    let (mut after, mut left) = (None, limit);
    while left > 0 {
        let most = u32::try_from(left).unwrap_or(u32::MAX).min(PAGE);
        let page = archive.export_recognitions(&operator(command), filter, after, most).await?;
        page.records.iter().for_each(&mut tell);
        left -= page.records.len().min(left);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(())
}

fn line(archive: &Archive, listed: &ListedRecognition) -> String {
    let ListedRecognition { recognition: record, observation_uid, withdrawn } = listed;
    let decision = &record.decision;
    let dictionaries = archive.dictionaries();
    let reason = dictionaries.find(NOT_RECOGNISED, &decision.reason).map_or("", |entry| entry.meaning.as_str());
    let what = if decision.recognised { "recognised".to_owned() } else { format!("not: {} {reason}", decision.reason) };
    let parts = [
        local_text(record.decided_at),
        format!("{} {observation_uid}", record.subject.as_str()),
        format!("{} by {}", record.org_code, record.by_org_code),
        what,
        decision.remark.replace(char::is_whitespace, " "),
        if *withdrawn { "report withdrawn since".to_owned() } else { String::new() },
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

const COLUMNS: [&str; 15] = [
    "id",
    "decided_at",
    "recorded_at",
    "kind",
    "report",
    "organization",
    "by_organization",
    "recognised",
    "reason",
    "remark",
    "doctor_id",
    "doctor_name",
    "item",
    "recognition_mark",
    "report_withdrawn",
];

fn cells(listed: &ListedRecognition) -> String {
    let ListedRecognition { recognition: record, observation_uid, withdrawn } = listed;
    let decision = &record.decision;
    let texts = [
        record.id.to_string(),
        local_text(record.decided_at),
        local_text(record.recorded_at),
        record.subject.as_str().to_owned(),
        observation_uid.clone(),
        record.org_code.clone(),
        record.by_org_code.clone(),
        decision.recognised.to_string(),
        decision.reason.clone(),
        decision.remark.clone(),
        decision.doctor_id.clone(),
        decision.doctor_name.clone(),
        record.item.clone(),
        record.mark.clone(),
        withdrawn.to_string(),
    ];
    // A text that a spreadsheet would calculate is made one that it shows.
    let texts = texts.map(|text| if text.starts_with(['=', '+', '-', '@', '\t']) { format!("'{text}") } else { text });
    csv::row(&texts.each_ref().map(String::as_str))
}

fn told(figures: &RecognitionStatistics) -> String {
    let rate =
        |per_mille: Option<i64>| per_mille.map_or("–".to_owned(), |rate| format!("{}.{}%", rate / 10, rate % 10));
    let reasons = |reasons: &std::collections::BTreeMap<String, i64>| {
        reasons.iter().map(|(code, count)| format!(" reason {code}: {count}")).collect::<String>()
    };
    let mut text = String::new();
    for pair in &figures.pairs {
        let (tally, rate) = (&pair.tally, rate(pair.tally.per_mille()));
        let (of, by, kind) = (&pair.organization, &pair.by_organization, &pair.kind);
        text += &format!(
            "{of} by {by} {kind}: {} of {} recognised ({rate}), {} marked;{}\n",
            tally.recognised,
            tally.records,
            tally.marked,
            reasons(&tally.reasons)
        );
    }
    let total = &figures.total;
    text + &format!("all: {} of {} recognised ({})\n", total.recognised, total.records, rate(total.per_mille()))
}

const ITEM_COLUMNS: [&str; 7] = ["kind", "organization", "item", "aliases", "level", "valid_from", "valid_to"];
const CHINESE_COLUMNS: [&str; 7] = ["类别", "机构", "项目", "别名", "级别", "有效期起", "有效期止"];

fn read(path: &Path, max_bytes: u64) -> anyhow::Result<Vec<RecognisedItem>> {
    let length = std::fs::metadata(path)?.len();
    anyhow::ensure!(length <= max_bytes, "has {length} bytes, more than {max_bytes}");
    items(&csv::text(&std::fs::read(path)?)?)
}

/// The items of a CSV text whose first line names the columns, in any order, in English or Chinese.
fn items(text: &str) -> anyhow::Result<Vec<RecognisedItem>> {
    let rows = csv::rows(text)?;
    let (head, rows) = rows.split_first().context("is empty")?;
    let place = |at: usize| {
        let named =
            |cell: &String| cell.trim().eq_ignore_ascii_case(ITEM_COLUMNS[at]) || cell.trim() == CHINESE_COLUMNS[at];
        head.iter().position(named)
    };
    let places: [Option<usize>; 7] = std::array::from_fn(place);
    for needed in [0, 2, 4] {
        anyhow::ensure!(
            places[needed].is_some(),
            "has no column {} ({})",
            ITEM_COLUMNS[needed],
            CHINESE_COLUMNS[needed]
        );
    }
    let mut all: Vec<RecognisedItem> = Vec::new();
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.iter().any(|cell| !cell.trim().is_empty())) {
        let number = at + 2;
        let cell = |column: usize| places[column].and_then(|place| row.get(place)).map_or("", |cell| cell.trim());
        let day = |column: usize| match date_time::parse(cell(column)) {
            Ok(moment) => Ok(moment.map(|moment| moment.to_string()[..10].to_owned()).unwrap_or_default()),
            Err(_) => Err(anyhow::anyhow!("row {number}: {} is no date", ITEM_COLUMNS[column])),
        };
        let item = RecognisedItem {
            kind: ItemKind::parse(cell(0)).with_context(|| format!("row {number}: kind is exam or lab"))?,
            org_code: cell(1).to_owned(),
            item: cell(2).to_owned(),
            aliases: listed(cell(3)),
            level: cell(4).to_owned(),
            valid_from: day(5)?,
            valid_to: day(6)?,
        };
        anyhow::ensure!(!item.item.is_empty(), "row {number}: item is needed");
        let open = item.valid_from.is_empty() || item.valid_to.is_empty();
        anyhow::ensure!(open || item.valid_from <= item.valid_to, "row {number}: valid_to is before valid_from");
        let same = |own: &RecognisedItem| {
            (own.kind, &own.org_code, &own.item, &own.valid_from)
                == (item.kind, &item.org_code, &item.item, &item.valid_from)
        };
        anyhow::ensure!(!all.iter().any(same), "row {number}: {} is there twice", item.item);
        all.push(item);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_from_columns_in_any_order_and_language() {
        let read = items(
            "级别,类别,项目,机构,有效期止,别名\n全国HR,检查,CT01,ORG-T01,2026/12/31,胸部CT|CT胸部\n,lab,WBC,,,\n",
        );
        let read = read.unwrap();
        assert_eq!(
            (read[0].kind, read[0].valid_from.as_str(), read[0].valid_to.as_str()),
            (ItemKind::Exam, "", "2026-12-31")
        );
        assert_eq!(
            (read[0].aliases.len(), read[0].org_code.as_str(), read[0].level.as_str()),
            (2, "ORG-T01", "全国HR")
        );
        assert_eq!((read[1].kind, read[1].level.as_str()), (ItemKind::Lab, ""));
    }

    #[test]
    fn what_is_wrong_with_a_list_is_told_with_its_place() {
        let told = |rows: &str| items(&format!("kind,item,level,valid_from,valid_to\n{rows}")).unwrap_err().to_string();
        assert_eq!(told("x,CT01,HR,,\n"), "row 2: kind is exam or lab");
        assert_eq!(told("exam,,HR,,\n"), "row 2: item is needed");
        assert_eq!(told("exam,CT01,HR,昨天,\n"), "row 2: valid_from is no date");
        assert_eq!(told("exam,CT01,HR,2026-02-01,2026-01-01\n"), "row 2: valid_to is before valid_from");
        assert_eq!(told("exam,CT01,HR,,\nexam,CT01,HR,,\n"), "row 3: CT01 is there twice");
        assert_eq!(items("kind,item\n").unwrap_err().to_string(), "has no column level (级别)");
    }
}
