//! `yingku sign-link`

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::ConfigFile;
use crate::config::Config;
use crate::domain::Clock;
use crate::domain::customer::Customer;
use crate::domain::page::{Page, Parameter};
use crate::domain::token;

/// Example: `yingku sign-link --page ClinicExam AccessionNumber=A0001 OrganizationID=ORG-T01`
#[derive(Debug, Args)]
pub(super) struct SignLink {
    #[command(flatten)]
    file: ConfigFile,
    /// GUID of the customer that signs; the first configured one without it.
    #[arg(long)]
    customer: Option<String>,
    /// The page: ClinicExamView, ClinicExamList, RelatedExamList or ClinicExam.
    #[arg(long, default_value = "ClinicExam")]
    page: String,
    /// The user in the hospital's system.
    #[arg(long, default_value = "sign-link")]
    user: String,
    /// Parameters in the order in which they are signed, e.g. AccessionNumber=A0001.
    #[arg(value_name = "NAME=VALUE", required = true)]
    parameters: Vec<String>,
}

impl SignLink {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.file.load()?;
        let customer = match &self.customer {
            Some(guid) => config.customer.iter().find(|c| c.guid.eq_ignore_ascii_case(guid)),
            None => config.customer.first(),
        };
        let customer = customer.context("no such [[customer]] in the configuration")?;
        let parameters = self
            .parameters
            .iter()
            .map(|p| p.split_once('=').with_context(|| format!("`{p}` is not NAME=VALUE")))
            .collect::<anyhow::Result<Vec<_>>>()?;
        println!("{}", signed_link(&config, customer, &self.page, &self.user, &parameters)?);
        Ok(ExitCode::SUCCESS)
    }
}

/// The whole address of a signed page, valid from now for as long as the customer's tokens are.
pub(super) fn signed_link(
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
    let query = token::sign(&signed, customer.secrets().first().copied().context("the customer has no secret")?);
    let base = config.http.public_url.trim_end_matches('/');
    Ok(format!("{base}{}{}?{query}", config.pages.prefix, page.name()))
}

/// What the page would not use or would refuse is a slip of the operator's; the token is made here.
fn check(page: Page, parameters: &[(&str, &str)]) -> anyhow::Result<Vec<Parameter>> {
    let mut given = Vec::new();
    for (name, _) in parameters {
        let known = Parameter::parse(name).filter(|p| page.knows(*p) && *p != Parameter::Token);
        let parameter = known.with_context(|| format!("`{name}` is no parameter of {}", page.name()))?;
        if given.contains(&parameter) {
            bail!("`{name}` stands twice (as {})", parameter.name());
        }
        given.push(parameter);
    }
    Ok(given)
}
