//! `yingku sign-link`

use std::borrow::Cow;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::{ConfigFile, with_archive};
use crate::config::Config;
use crate::domain::Clock;
use crate::domain::customer::{Customer, CustomerKey, Customers};
use crate::domain::page::{Page, Parameter};
use crate::domain::token::{self, Proof};

/// Example: `yingku sign-link --page ClinicExam AccessionNumber=A0001 OrganizationID=ORG-T01`
#[derive(Debug, Args)]
pub(super) struct SignLink {
    #[command(flatten)]
    file: ConfigFile,
    /// GUID of the customer that signs, of the configuration or the database; the first configured one without it.
    #[arg(long)]
    customer: Option<String>,
    /// The page: ClinicExamView, ClinicExamList, RelatedExamList or ClinicExam.
    #[arg(long, default_value = "ClinicExam")]
    page: String,
    /// Sign with `sign` (HMAC-SHA-256) in the place of `token` (MD5).
    #[arg(long)]
    hmac: bool,
    /// The user in the hospital's system.
    #[arg(long, default_value = "sign-link")]
    user: String,
    /// Parameters in the order in which they are signed, e.g. AccessionNumber=A0001.
    #[arg(value_name = "NAME=VALUE", required = true)]
    parameters: Vec<String>,
}

impl SignLink {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.file.load()?;
        let customer = match &self.customer {
            Some(guid) => customer_of(&config, guid).await?,
            None => config.customer.first().cloned(),
        };
        let customer = customer.context("no such customer in the configuration or the database")?;
        let parameters = self
            .parameters
            .iter()
            .map(|p| p.split_once('=').with_context(|| format!("`{p}` is not NAME=VALUE")))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let proof = if self.hmac { Proof::Hmac } else { Proof::Md5 };
        println!("{}", link_signed_by(proof, &config, &customer, &self.page, &self.user, &parameters)?);
        Ok(ExitCode::SUCCESS)
    }
}

/// The customer with its secret: of the configuration, else of the database.
async fn customer_of(config: &Config, guid: &str) -> anyhow::Result<Option<Customer>> {
    let key = CustomerKey::parse(&config.pages.customer_key.0);
    let customers = Customers::new(config.customer.clone(), String::new()).with_key(key);
    if let Some(configured) = customers.get(guid) {
        return Ok(Some(configured.clone()));
    }
    with_archive(config, async |archive| Ok(archive.customer(&customers, guid).await?.map(Cow::into_owned))).await
}

/// The whole address of a signed page, valid from now for as long as the customer's tokens are.
pub(super) fn signed_link(
    config: &Config,
    customer: &Customer,
    page: &str,
    user: &str,
    parameters: &[(&str, &str)],
) -> anyhow::Result<String> {
    link_signed_by(Proof::Md5, config, customer, page, user, parameters)
}

fn link_signed_by(
    proof: Proof,
    config: &Config,
    customer: &Customer,
    page: &str,
    user: &str,
    parameters: &[(&str, &str)],
) -> anyhow::Result<String> {
    let page = Page::parse(page)
        .with_context(|| format!("`{page}` is no page; they are {}", Page::ALL.map(Page::name).join(", ")))?;
    let given = check(page, parameters)?;
    let timestamp = (Clock::System.now_ms() / 1000).to_string();
    let guid = if page == Page::ClinicExamView { "CustomerGuid" } else { "UserUID" };
    let mut signed = Vec::new();
    if !given.contains(&Parameter::CustomerGuid) {
        signed.push((guid, customer.guid.as_str()));
    }
    if !given.contains(&Parameter::UserId) {
        signed.push(("UserID", user));
    }
    signed.extend_from_slice(parameters);
    if !given.contains(&Parameter::Timestamp) {
        signed.push(("Timestamp", &timestamp));
    }
    let secret = customer.secrets().first().copied().context("the customer has no secret")?;
    let query = match proof {
        Proof::Hmac => token::sign_by_hmac(page, &signed, secret),
        Proof::Md5 | Proof::Password => token::sign(&signed, secret),
    };
    let base = config.http.public_url.trim_end_matches('/');
    Ok(format!("{base}{}{}?{query}", config.pages.prefix, page.name()))
}

/// What the page would not use or would refuse is a slip of the operator's; the token is made here.
fn check(page: Page, parameters: &[(&str, &str)]) -> anyhow::Result<Vec<Parameter>> {
    let mut given = Vec::new();
    for (name, _) in parameters {
        let known =
            Parameter::parse(name).filter(|p| page.knows(*p) && !matches!(p, Parameter::Token | Parameter::Sign));
        let parameter = known.with_context(|| format!("`{name}` is no parameter of {}", page.name()))?;
        if given.contains(&parameter) {
            bail!("`{name}` stands twice (as {})", parameter.name());
        }
        given.push(parameter);
    }
    Ok(given)
}
