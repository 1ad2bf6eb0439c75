//! A link with user and password in the place of a signature (D-T12): whose it is, if it is anybody's.

use std::borrow::Cow;

use tokio::sync::Semaphore;

use super::open_link::OpenLink;
use crate::archive::{Archive, Error};
use crate::domain::customer::Customer;
use crate::domain::legacy_login::is_password;
use crate::domain::token::SignedQuery;

/// Passwords that are compared at the same time; each costs a processor a tenth of a second and more.
static TURNS: Semaphore = Semaphore::const_new(2);

impl Archive {
    /// The customer whose user has this password, from an address of its networks. An unknown user costs the same time as a
    /// wrong password; an address of no network costs nothing.
    pub(super) async fn customer_by_password<'c>(
        &self,
        link: &OpenLink<'c>,
        query: &SignedQuery,
        (user, password): (&str, &str),
    ) -> Result<Option<Cow<'c, Customer>>, Error> {
        let Ok(address) = link.remote_addr.parse() else { return Ok(None) };
        let mut candidates = self.legacy_customers(link.customers).await?;
        let guid = query.guid();
        candidates.retain(|customer| {
            customer.legacy.allows(address) && (guid.is_empty() || customer.guid.eq_ignore_ascii_case(guid))
        });
        if candidates.is_empty() {
            return Ok(None);
        }
        let known = candidates.iter().position(|customer| customer.legacy.password_of(user).is_some());
        let kept = known.and_then(|at| candidates[at].legacy.password_of(user)).map(str::to_owned);
        let password = password.to_owned();
        let turn = TURNS.acquire().await.map_err(|_| Error::Denied)?;
        let compared = tokio::task::spawn_blocking(move || is_password(&password, kept.as_deref())).await;
        drop(turn);
        let is_right = compared.map_err(|_| Error::Denied)?;
        Ok(known.filter(|_| is_right).map(|at| candidates.swap_remove(at)))
    }
}
