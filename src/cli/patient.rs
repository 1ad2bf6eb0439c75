//! `yingku patient`: which patients of which organisations are one person (RD-25, D-X9). Every command is recorded.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{ConfigFile, operator, with_archive};
use crate::archive::Archive;
use crate::archive::links::conflicts::{ConflictKind, ConflictState};
use crate::archive::patients::decide_person::PersonView;
use crate::domain::date_time::local_text;
use crate::domain::identifier::{Identifier, IdentifierKind, Wanted};

#[derive(Debug, Args)]
pub(super) struct Patient {
    #[command(flatten)]
    file: ConfigFile,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show a person with its patients and its history. Shows patient data.
    Show {
        /// person:17, patient:17, a master number, or ORGANISATION/number.
        what: String,
    },
    /// Find persons by a number of theirs. Shows patient data.
    Find {
        /// The number.
        number: String,
        /// Only a number of this kind: id_no, card_no, patient_id, image_patient_id, outpatient_no, emergency_no, inpatient_no,
        /// exam_centre_no or visit_no.
        #[arg(long, value_parser = kind)]
        kind: Option<IdentifierKind>,
        /// Only a number that this organisation, or this issuer of images, has given; CN for identity numbers.
        #[arg(long, default_value = "")]
        domain: String,
    },
    /// List what has to be decided: patients whose reports contradict, and patients who may be one person.
    Conflicts {
        /// Closed ones too.
        #[arg(long)]
        all: bool,
        /// At most so many of each kind.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// A patient is this person, whatever rules say.
    Link {
        /// The patient's number here.
        #[arg(long, value_parser = patient)]
        patient: i64,
        /// The person's number here.
        #[arg(long, value_parser = person)]
        person: i64,
    },
    /// A patient is not the person that it is linked to; no rule links them again.
    Unlink {
        /// The patient's number here.
        #[arg(long, value_parser = patient)]
        patient: i64,
    },
    /// Two persons are one: the patients of the first become the second's.
    Merge {
        /// The person that goes.
        #[arg(value_parser = person)]
        person: i64,
        /// The person that stays.
        #[arg(value_parser = person)]
        into: i64,
    },
    /// Undo a merge: patients that went from this person come back.
    Unmerge {
        /// The person that was merged.
        #[arg(value_parser = person)]
        person: i64,
    },
    /// A patient's reports contradict, and it is one patient all the same: it takes part again.
    Accept {
        /// The patient's number here.
        #[arg(value_parser = patient)]
        patient: i64,
    },
}

impl Patient {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        with_archive(&self.file.load()?, async |archive| self.command.run(archive).await).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Command {
    async fn run(self, archive: &Archive) -> anyhow::Result<()> {
        match self {
            Command::Show { what } => {
                let views = archive.view_persons(operator("patient show"), &what).await;
                for view in views.with_context(|| what)? {
                    print!("{}", shown(&view));
                }
            }
            Command::Find { number, kind, domain } => {
                let wanted = Wanted { kind, domain, value: number.clone() };
                let views = archive.find_persons(operator("patient find"), &wanted).await;
                for view in views.with_context(|| number)? {
                    print!("{}", shown(&view));
                }
            }
            Command::Conflicts { all, limit } => {
                let state = (!all).then_some(ConflictState::Open);
                for kind in [ConflictKind::Patient, ConflictKind::Person] {
                    for conflict in archive.find_conflicts(Some(kind), state, limit).await? {
                        println!(
                            "{} {:<6} {} {} {} {} since={:?}",
                            conflict.id,
                            conflict.state.as_str(),
                            kind.as_str(),
                            conflict.org_code,
                            conflict.subject,
                            conflict.detail,
                            local_text(conflict.created_at)
                        );
                    }
                }
            }
            Command::Link { patient, person } => {
                let linked = archive.link_patient(operator("patient link"), patient, person).await;
                linked.with_context(|| format!("patient:{patient} person:{person}"))?;
                println!("linked: patient:{patient} person:{person}");
            }
            Command::Unlink { patient } => {
                let unlinked = archive.unlink_patient(operator("patient unlink"), patient).await;
                println!(
                    "unlinked: patient:{patient} person:{}",
                    unlinked.with_context(|| format!("patient:{patient}"))?
                );
            }
            Command::Merge { person, into } => {
                let moved = archive.merge_persons(operator("patient merge"), person, into).await;
                let moved = moved.with_context(|| format!("person:{person} person:{into}"))?;
                println!("merged: person:{person} into person:{into}, {moved} patients");
            }
            Command::Unmerge { person } => {
                let moved = archive.unmerge_person(operator("patient unmerge"), person).await;
                println!("unmerged: person:{person}, {} patients", moved.with_context(|| format!("person:{person}"))?);
            }
            Command::Accept { patient } => {
                let accepted = archive.accept_patient(operator("patient accept"), patient).await;
                accepted.with_context(|| format!("patient:{patient}"))?;
                println!("accepted: patient:{patient}");
            }
        }
        Ok(())
    }
}

fn shown(view: &PersonView) -> String {
    let mut text = format!("person:{} {}\n", view.person, view.master_id);
    for patient in &view.patients {
        let facts = &patient.facts;
        let word = |value: &Option<String>| value.as_deref().unwrap_or("-").escape_debug().to_string();
        text.push_str(&format!(
            "  patient:{} {} {} {:?} issuer={:?} name={} sex={} born={} id_no={} card_no={}{}{}\n",
            patient.id,
            patient.org_code,
            patient.origin.as_str(),
            patient.patient_id,
            patient.issuer,
            word(&facts.name),
            word(&facts.sex_code),
            word(&facts.birth_date),
            word(&facts.id_no),
            word(&facts.card_no),
            if patient.by_hand { " by hand" } else { "" },
            if patient.contradictions.is_empty() {
                String::new()
            } else {
                format!(" contradicting: {}", patient.contradictions)
            },
        ));
    }
    for (patient, Identifier { kind, domain, value }) in &view.identifiers {
        text.push_str(&format!("  patient:{patient} {} {domain}|{}\n", kind.as_str(), value.escape_debug()));
    }
    for step in &view.moves {
        let from = step.from.map_or_else(|| "-".to_owned(), |from| format!("person:{from}"));
        text.push_str(&format!(
            "  {} patient:{} {from} -> person:{} {} {}\n",
            local_text(step.moved_at),
            step.record,
            step.to,
            step.reason,
            step.actor,
        ));
    }
    text
}

fn kind(text: &str) -> Result<IdentifierKind, String> {
    let names = || IdentifierKind::ALL.map(IdentifierKind::as_str).join(", ");
    IdentifierKind::parse(text).ok_or_else(|| format!("one of {}", names()))
}

fn patient(text: &str) -> Result<i64, String> {
    numbered(text, "patient:")
}

fn person(text: &str) -> Result<i64, String> {
    numbered(text, "person:")
}

fn numbered(text: &str, prefix: &str) -> Result<i64, String> {
    text.strip_prefix(prefix).unwrap_or(text).parse().map_err(|_| format!("a number, or {prefix}number"))
}
