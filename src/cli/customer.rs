//! `yingku customer`: the hospital systems that may open pages, kept in the database (D-T10, D-T11).
//!
//! What is done here counts at once, also for a running server. Secrets are shown once, when they are made.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::{ConfigFile, operator, with_archive};
use crate::archive::Archive;
use crate::archive::pages::customers::{Disabled, KeptCustomer};
use crate::config::Config;
use crate::domain::customer::{Customer, CustomerKey, Secret, Signature, VisibleScope};
use crate::domain::date_time::local_text;
use crate::domain::legacy_login::hash_password;

#[derive(Debug, Args)]
pub(super) struct CustomerCommand {
    #[command(flatten)]
    file: ConfigFile,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a customer and print its GUID and secret, this once.
    Add {
        /// The GUID; a new one without it.
        #[arg(long)]
        guid: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Change what a customer may do; what is not given stays.
    Set {
        /// The GUID.
        guid: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Print a new secret; links signed with the present one are accepted too, until `retire` or the next `rotate`.
    Rotate {
        /// The GUID.
        guid: String,
    },
    /// Accept links of the new secret only.
    Retire {
        /// The GUID.
        guid: String,
    },
    /// Refuse the customer's links and end its sessions.
    Disable {
        /// The GUID.
        guid: String,
    },
    /// Let a disabled customer in again.
    Enable {
        /// The GUID.
        guid: String,
    },
    /// List customers, those of the configuration too.
    List,
    /// Read a password from standard input and print what `legacy.users` keeps of it.
    HashPassword,
}

/// The settings that are often needed; all others by `--settings`.
#[derive(Debug, Args)]
struct Settings {
    /// A TOML file with the keys of a [[customer]] entry, without secrets.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Name for the operator's eyes.
    #[arg(long)]
    name: Option<String>,
    /// Code of its organisation.
    #[arg(long)]
    organization: Option<String>,
    /// Whose data it may see.
    #[arg(long, value_enum)]
    scope: Option<Scope>,
    /// Organisations for the scope `listed`, divided by commas.
    #[arg(long, value_delimiter = ',')]
    organizations: Option<Vec<String>>,
    /// Sites that may show the pages in a frame, divided by commas.
    #[arg(long, value_delimiter = ',')]
    frame_ancestors: Option<Vec<String>>,
    /// Which signatures are accepted.
    #[arg(long, value_enum)]
    signature: Option<AcceptedSignature>,
    /// Whether a link to one exam opens the patient's other exams.
    #[arg(long)]
    prior_exams: Option<bool>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scope {
    Own,
    Listed,
    Region,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AcceptedSignature {
    Any,
    Hmac,
    Md5,
}

impl Settings {
    /// The customer with what is given put into it.
    fn apply(&self, customer: Customer) -> anyhow::Result<Customer> {
        let mut customer = match &self.settings {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                let read: Customer = toml::from_str(&text).with_context(|| path.display().to_string())?;
                if !read.secrets().is_empty() || read.secret_file.is_some() || read.previous_secret_file.is_some() {
                    bail!("{}: secrets are made by `add` and `rotate`", path.display());
                }
                Customer { guid: customer.guid, ..read }
            }
            None => customer,
        };
        let put = |to: &mut String, given: &Option<String>| {
            if let Some(text) = given {
                *to = text.clone();
            }
        };
        put(&mut customer.name, &self.name);
        put(&mut customer.organization, &self.organization);
        if let Some(scope) = self.scope {
            customer.scope = match scope {
                Scope::Own => VisibleScope::Own,
                Scope::Listed => VisibleScope::Listed,
                Scope::Region => VisibleScope::Region,
            };
        }
        if let Some(signature) = self.signature {
            customer.token.signature = match signature {
                AcceptedSignature::Any => Signature::Any,
                AcceptedSignature::Hmac => Signature::Hmac,
                AcceptedSignature::Md5 => Signature::Md5,
            };
        }
        let lists = [
            (&mut customer.organizations, &self.organizations),
            (&mut customer.frame_ancestors, &self.frame_ancestors),
        ];
        for (to, given) in lists {
            if let Some(list) = given {
                *to = list.iter().filter(|text| !text.is_empty()).cloned().collect();
            }
        }
        customer.prior_exams = self.prior_exams.unwrap_or(customer.prior_exams);
        Ok(customer)
    }
}

impl CustomerCommand {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        if matches!(self.command, Command::HashPassword) {
            return hash();
        }
        let config = self.file.load()?;
        with_archive(&config, async |archive| self.command.run(archive, &config).await).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Command {
    async fn run(&self, archive: &Archive, config: &Config) -> anyhow::Result<()> {
        let actor = operator("customer");
        match self {
            Command::Add { guid, settings } => {
                let guid = guid.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
                let customer = settings.apply(Customer { guid, ..Customer::default() })?;
                check(config, &customer)?;
                if config.customer.iter().any(|other| other.guid.eq_ignore_ascii_case(&customer.guid)) {
                    bail!("there is a [[customer]] with this GUID in the configuration");
                }
                let secret = archive.add_customer(actor, &customer, &key(config)?).await?;
                shown(&customer.guid.to_ascii_lowercase(), &secret);
            }
            Command::Set { guid, settings } => {
                let kept = archive.list_customers().await?.into_iter();
                let found = kept.map(|kept| kept.customer).find(|customer| customer.guid.eq_ignore_ascii_case(guid));
                let customer = settings.apply(found.context("there is no such customer in the database")?)?;
                check(config, &customer)?;
                archive.change_customer(actor, &customer).await?;
                println!("changed {}; sessions that are open go on as they began", customer.guid);
            }
            Command::Rotate { guid } => {
                let secret = archive.rotate_secret(actor, guid, &key(config)?).await?;
                shown(&guid.to_ascii_lowercase(), &secret);
                println!("the secret before is accepted too, until `yingku customer retire {guid}`");
            }
            Command::Retire { guid } => {
                archive.retire_secret(actor, guid).await?;
                println!("only the new secret is accepted");
            }
            Command::Disable { guid } => {
                archive.set_customer_disabled(actor, guid, Disabled::Yes).await?;
                println!("disabled; its sessions have ended");
            }
            Command::Enable { guid } => {
                archive.set_customer_disabled(actor, guid, Disabled::No).await?;
                println!("enabled");
            }
            Command::List => list(config, &archive.list_customers().await?),
            Command::HashPassword => {}
        }
        Ok(())
    }
}

fn key(config: &Config) -> anyhow::Result<CustomerKey> {
    CustomerKey::parse(&config.pages.customer_key.0).context(
        "pages.customer_key is not set: make one with `openssl rand -hex 32 > customer.key` and name the file in \
         pages.customer_key_file, the same for all nodes",
    )
}

/// The rules of the configuration hold for kept customers too.
fn check(config: &Config, customer: &Customer) -> anyhow::Result<()> {
    // The secret is made later; one that is no fault stands for it.
    let judged = Customer { secret: Secret("0-secret-made-by-the-archive".to_owned()), ..customer.clone() };
    let mut faults = judged.faults();
    for code in customer.organizations.iter().chain([&customer.organization]) {
        if !code.is_empty() && !config.organization.iter().any(|organization| organization.code == *code) {
            faults.push(format!("`{code}` is no [[organization]] code"));
        }
    }
    if faults.is_empty() { Ok(()) } else { bail!(faults.join("\n")) }
}

fn shown(guid: &str, secret: &Secret) {
    println!("guid    {guid}\nsecret  {}\nThe secret is not shown again.", secret.0);
}

fn list(config: &Config, kept: &[KeptCustomer]) {
    println!("{:36}  {:13}  {:10}  {:7}  {:7}  name", "guid", "where", "org", "scope", "secrets");
    let line = |customer: &Customer, place: &str, secrets: usize, note: &str| {
        let scope = match customer.scope {
            VisibleScope::Own => "own",
            VisibleScope::Listed => "listed",
            VisibleScope::Region => "region",
        };
        let (guid, organization, name) = (&customer.guid, &customer.organization, &customer.name);
        println!("{guid:36}  {place:13}  {organization:10}  {scope:7}  {secrets:7}  {name}{note}");
    };
    for customer in &config.customer {
        line(customer, "configuration", customer.secrets().len(), "");
    }
    for one in kept {
        let is_hidden = config.customer.iter().any(|other| other.guid.eq_ignore_ascii_case(&one.customer.guid));
        let mut notes = String::new();
        if is_hidden {
            notes.push_str(" [the configuration's entry counts]");
        }
        if let Some(at) = one.disabled_at {
            notes.push_str(&format!(" [disabled {}]", local_text(at)));
        }
        if let Some(at) = one.rotated_at {
            notes.push_str(&format!(" [secret of {}]", local_text(at)));
        }
        line(&one.customer, "database", 1 + usize::from(one.has_previous_secret), &notes);
    }
}

fn hash() -> anyhow::Result<ExitCode> {
    let mut password = String::new();
    std::io::stdin().take(1024).read_to_string(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("give the password on standard input");
    }
    println!("{}", hash_password(password, rand::random()));
    Ok(ExitCode::SUCCESS)
}
