//! `yingku dictionary`: codes, their meaning and how hospitals write them, as CSV (RD-26).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{ConfigFile, csv, operator, with_archive};
use crate::archive::Archive;
use crate::domain::dictionary::{Entry, ORGANIZATION, listed};

#[derive(Debug, Args)]
pub(super) struct Dictionary {
    #[command(flatten)]
    file: ConfigFile,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the dictionaries with the number of their entries.
    List,
    /// Print dictionaries as CSV: dictionary, code, meaning, aliases (separated by |).
    Export {
        /// Only this one.
        name: Option<String>,
    },
    /// Read a CSV file; each dictionary in it takes the place of the one of its name. Running servers follow at once.
    Import {
        /// UTF-8 with or without a byte order mark, or GB18030.
        path: PathBuf,
        /// Most bytes of the file.
        #[arg(long, default_value_t = 16 * 1024 * 1024)]
        max_bytes: u64,
    },
    /// Forget what was imported under a name; a built-in dictionary of that name is back.
    Reset {
        /// The dictionary.
        name: String,
    },
}

impl Dictionary {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        with_archive(&self.file.load()?, async |archive| self.command.run(archive).await).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Command {
    async fn run(self, archive: &Archive) -> anyhow::Result<()> {
        match self {
            Command::List => {
                for (name, entries) in archive.dictionaries().all() {
                    println!("{name} {}", entries.len());
                }
            }
            Command::Export { name } => {
                print!("{}", csv::row(&["dictionary", "code", "meaning", "aliases"]));
                let dictionaries = archive.dictionaries();
                // Those of the configuration too, as a beginning for an import.
                if name.as_deref().is_none_or(|name| name == ORGANIZATION) {
                    for (code, name) in archive.organizations() {
                        print!("{}", csv::row(&[ORGANIZATION, &code, &name, ""]));
                    }
                }
                for (dictionary, entries) in dictionaries
                    .all()
                    .filter(|(own, _)| *own != ORGANIZATION && name.as_deref().is_none_or(|n| n == *own))
                {
                    for entry in entries {
                        print!("{}", csv::row(&[dictionary, &entry.code, &entry.meaning, &entry.aliases.join("|")]));
                    }
                }
            }
            Command::Import { path, max_bytes } => {
                let imported = read(&path, max_bytes).with_context(|| path.display().to_string())?;
                let told: Vec<_> = imported.iter().map(|(name, entries)| format!("{name} {}", entries.len())).collect();
                archive.import_dictionaries(operator("dictionary import"), imported).await?;
                println!("imported: {}", told.join(", "));
            }
            Command::Reset { name } => {
                archive.import_dictionaries(operator("dictionary reset"), vec![(name.clone(), Vec::new())]).await?;
                println!("reset: {name}");
            }
        }
        Ok(())
    }
}

fn read(path: &Path, max_bytes: u64) -> anyhow::Result<Vec<(String, Vec<Entry>)>> {
    let length = std::fs::metadata(path)?.len();
    anyhow::ensure!(length <= max_bytes, "has {length} bytes, more than {max_bytes}");
    dictionaries(&csv::text(&std::fs::read(path)?)?)
}

/// The dictionaries of a CSV text whose first line names the columns, in any order, in English or Chinese.
fn dictionaries(text: &str) -> anyhow::Result<Vec<(String, Vec<Entry>)>> {
    let rows = csv::rows(text)?;
    let (head, rows) = rows.split_first().context("is empty")?;
    let column = |names: [&str; 2]| {
        let place = head.iter().position(|cell| names.iter().any(|name| cell.trim().eq_ignore_ascii_case(name)));
        place.with_context(|| format!("has no column {} ({})", names[0], names[1]))
    };
    let [dictionary, code, meaning] =
        [column(["dictionary", "字典"])?, column(["code", "代码"])?, column(["meaning", "名称"])?];
    let aliases = column(["aliases", "别名"]).ok();
    let mut all: Vec<(String, Vec<Entry>)> = Vec::new();
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.iter().any(|cell| !cell.trim().is_empty())) {
        let cell = |place: usize| row.get(place).map_or("", |cell| cell.trim());
        let (name, entry) = (
            cell(dictionary).to_owned(),
            Entry {
                code: cell(code).to_owned(),
                meaning: cell(meaning).to_owned(),
                aliases: aliases.map_or_else(Vec::new, |place| listed(cell(place))),
            },
        );
        anyhow::ensure!(!name.is_empty() && !entry.code.is_empty(), "row {}: dictionary and code are needed", at + 2);
        let entries = match all.iter().position(|(own, _)| *own == name) {
            Some(place) => &mut all[place].1,
            None => {
                all.push((name, Vec::new()));
                let last = all.len() - 1;
                &mut all[last].1
            }
        };
        anyhow::ensure!(
            entries.iter().all(|own| own.code != entry.code),
            "row {}: code {} is there twice",
            at + 2,
            entry.code
        );
        entries.push(entry);
    }
    anyhow::ensure!(!all.is_empty(), "has no entries");
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_in_any_order_and_language() {
        let read = dictionaries("代码,字典,名称,别名\nMR,modality,磁共振,核磁|MRI\n3,recognition,全国HR,\n\n").unwrap();
        assert_eq!(read[0].0, "modality");
        assert_eq!(read[0].1[0].aliases, ["核磁", "MRI"]);
        assert_eq!((read[1].0.as_str(), read[1].1[0].meaning.as_str()), ("recognition", "全国HR"));
    }

    #[test]
    fn a_row_without_code_and_a_code_twice_are_refused_with_their_place() {
        let head = "dictionary,code,meaning\n";
        let told = |rows: &str| dictionaries(&format!("{head}{rows}")).unwrap_err().to_string();
        assert_eq!(told("sex,1,男\nsex,,女\n"), "row 3: dictionary and code are needed");
        assert_eq!(told("sex,1,男\nsex,1,女\n"), "row 3: code 1 is there twice");
        assert_eq!(told(""), "has no entries");
        assert_eq!(dictionaries("a,b\n").unwrap_err().to_string(), "has no column dictionary (字典)");
    }
}
