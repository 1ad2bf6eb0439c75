//! Customers that are kept in the database: added, changed, given a new secret, disabled, without a restart (D-T10).
//!
//! A secret has to be known to compare signatures, so it is kept encrypted (AES-256-GCM under `pages.customer_key`, bound to
//! the customer's GUID) and shown once, when it is made. What the configuration says of a GUID counts before what is kept.

use std::borrow::Cow;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde_json::json;

use crate::archive::{Archive, Error};
use crate::domain::Actor;
use crate::domain::customer::{Customer, CustomerKey, Customers, Secret};
use crate::index::audit::{self, AuditRecord};
use crate::index::customers::{self, CustomerRow};
use crate::index::{self, Tx};

const NONCE_BYTES: usize = 12;

/// A customer as it is kept.
#[derive(Debug, Clone)]
pub struct KeptCustomer {
    /// Its settings, without secrets.
    pub customer: Customer,
    /// Whether the secret before the present one is still accepted.
    pub has_previous_secret: bool,
    /// When it was added.
    pub created_at: i64,
    /// When its secret was last changed.
    pub rotated_at: Option<i64>,
    /// When it was disabled, if it is.
    pub disabled_at: Option<i64>,
}

impl Archive {
    /// Adds a customer and gives its secret; [`Error::Invalid`] when the GUID is taken.
    pub async fn add_customer(&self, actor: Actor, customer: &Customer, key: &CustomerKey) -> Result<Secret, Error> {
        let (guid, secret) = (customer.guid.to_ascii_lowercase(), new_secret());
        let now = self.clock.now_ms();
        let row = CustomerRow {
            settings: settings_of(customer)?,
            secret: sealed(key, &guid, &secret)?,
            previous_secret: None,
            has_legacy: !customer.legacy.users.is_empty(),
            created_at: now,
            updated_at: now,
            rotated_at: None,
            disabled_at: None,
            guid,
        };
        let record = self.customer_record("add_customer", actor, &row.guid, &customer.organization);
        let audit_id = self.ids.next();
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    if !customers::insert(tx, &row).await? {
                        return Err(Error::Invalid("there is a customer with this GUID".to_owned()));
                    }
                    Ok(audit::record(tx, audit_id, now, &record).await?)
                })
            })
            .await?;
        Ok(secret)
    }

    /// Changes what a kept customer may do; its secrets stay.
    pub async fn change_customer(&self, actor: Actor, customer: &Customer) -> Result<(), Error> {
        let (guid, settings) = (customer.guid.to_ascii_lowercase(), settings_of(customer)?);
        let (has_legacy, now) = (!customer.legacy.users.is_empty(), self.clock.now_ms());
        let record = self.customer_record("change_customer", actor, &guid, &customer.organization);
        self.customer_changed(record, move |tx| {
            Box::pin(async move { customers::set_settings(tx, &guid, &settings, has_legacy, now).await })
        })
        .await
    }

    /// Gives a kept customer a new secret; the present one is accepted too until [`Archive::retire_secret`] or the next.
    pub async fn rotate_secret(&self, actor: Actor, guid: &str, key: &CustomerKey) -> Result<Secret, Error> {
        let (guid, secret, now) = (guid.to_ascii_lowercase(), new_secret(), self.clock.now_ms());
        let sealed = sealed(key, &guid, &secret)?;
        let record = self.customer_record("rotate_customer", actor, &guid, "");
        self.customer_changed(record, move |tx| {
            Box::pin(async move { customers::rotate(tx, &guid, sealed, now).await })
        })
        .await?;
        Ok(secret)
    }

    /// Ends the secret before the present one.
    pub async fn retire_secret(&self, actor: Actor, guid: &str) -> Result<(), Error> {
        let guid = guid.to_ascii_lowercase();
        let record = self.customer_record("retire_customer_secret", actor, &guid, "");
        self.customer_changed(record, move |tx| Box::pin(async move { customers::retire_previous(tx, &guid).await }))
            .await
    }

    /// Disables a kept customer: its links are refused and its sessions end at once. Or lets it in again.
    pub async fn set_customer_disabled(&self, actor: Actor, guid: &str, disabled: Disabled) -> Result<(), Error> {
        let guid = guid.to_ascii_lowercase();
        let (action, disabled_at) = match disabled {
            Disabled::Yes => ("disable_customer", Some(self.clock.now_ms())),
            Disabled::No => ("enable_customer", None),
        };
        let record = self.customer_record(action, actor, &guid, "");
        self.customer_changed(record, move |tx| {
            Box::pin(async move { customers::set_disabled(tx, &guid, disabled_at).await })
        })
        .await
    }

    /// All kept customers.
    pub async fn list_customers(&self) -> Result<Vec<KeptCustomer>, Error> {
        customers::list(&self.index).await?.into_iter().map(KeptCustomer::of).collect()
    }

    /// A customer by its GUID, with its secrets: configured or kept, and not disabled.
    pub async fn customer<'c>(&self, customers: &'c Customers, guid: &str) -> Result<Option<Cow<'c, Customer>>, Error> {
        if guid.len() != 36 {
            return Ok(None);
        }
        if let Some(configured) = customers.get(guid) {
            return Ok(Some(Cow::Borrowed(configured)));
        }
        let row = customers::get(&self.index, &guid.to_ascii_lowercase()).await?;
        let row = row.filter(|row| row.disabled_at.is_none());
        row.map(|row| opened(customers.key(), row).map(Cow::Owned)).transpose()
    }

    /// The customers whose links may come with user and password (D-T12).
    pub(super) async fn legacy_customers<'c>(&self, customers: &'c Customers) -> Result<Vec<Cow<'c, Customer>>, Error> {
        let configured = customers.configured().iter().filter(|customer| !customer.legacy.users.is_empty());
        let mut found: Vec<Cow<'c, Customer>> = configured.map(Cow::Borrowed).collect();
        for row in customers::with_legacy(&self.index).await? {
            if customers.get(&row.guid).is_none() {
                found.push(Cow::Owned(KeptCustomer::of(row)?.customer));
            }
        }
        Ok(found)
    }

    fn customer_record(&self, action: &'static str, actor: Actor, guid: &str, org_code: &str) -> AuditRecord {
        AuditRecord {
            action,
            actor,
            org_code: org_code.to_owned(),
            target: format!("customer:{guid}"),
            outcome: "ok",
            detail: json!({}),
        }
    }

    async fn customer_changed<F>(&self, record: AuditRecord, change: F) -> Result<(), Error>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> futures_util::future::BoxFuture<'t, Result<bool, index::Error>>
            + Send
            + 'static,
    {
        let (now, audit_id) = (self.clock.now_ms(), self.ids.next());
        self.index
            .write(move |tx| {
                Box::pin(async move {
                    if !change(tx).await? {
                        return Err(Error::NotFound);
                    }
                    Ok(audit::record(tx, audit_id, now, &record).await?)
                })
            })
            .await
    }
}

/// Whether a customer is kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disabled {
    /// It is.
    Yes,
    /// It may open pages.
    No,
}

impl KeptCustomer {
    fn of(row: CustomerRow) -> Result<Self, Error> {
        let customer: Customer = serde_json::from_str(&row.settings)
            .map_err(|error| Error::Invalid(format!("settings of customer {}: {error}", row.guid)))?;
        Ok(Self {
            customer: Customer { guid: row.guid, ..customer },
            has_previous_secret: row.previous_secret.is_some(),
            created_at: row.created_at,
            rotated_at: row.rotated_at,
            disabled_at: row.disabled_at,
        })
    }
}

fn settings_of(customer: &Customer) -> Result<String, Error> {
    let without = Customer {
        secret: Secret::default(),
        secret_file: None,
        previous_secret: Secret::default(),
        previous_secret_file: None,
        ..customer.clone()
    };
    serde_json::to_string(&without).map_err(|_| Error::Invalid("customer settings".to_owned()))
}

/// 160 random bits in base 32: long enough for MD5's sake, and without characters that somebody mistypes.
fn new_secret() -> Secret {
    const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
    let bytes: [u8; 32] = rand::random();
    Secret(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

/// The customer with its secrets, as they are kept.
fn opened(key: Option<&CustomerKey>, row: CustomerRow) -> Result<Customer, Error> {
    let Some(key) = key else {
        tracing::warn!(customer.guid = %row.guid, "pages.customer_key is not set, so kept customers cannot open pages");
        return Ok(Customer { guid: row.guid, ..Customer::default() });
    };
    let unreadable =
        |_| Error::Invalid(format!("the secret of customer {} is not of this pages.customer_key", row.guid));
    let secret = unsealed(key, &row.guid, &row.secret).map_err(unreadable)?;
    let previous = row.previous_secret.as_deref().map(|sealed| unsealed(key, &row.guid, sealed));
    let previous_secret = previous.transpose().map_err(unreadable)?.unwrap_or_default();
    Ok(Customer { secret, previous_secret, ..KeptCustomer::of(row)?.customer })
}

fn cipher(key: &CustomerKey) -> Result<LessSafeKey, Error> {
    let key = UnboundKey::new(&AES_256_GCM, key.as_bytes());
    Ok(LessSafeKey::new(key.map_err(|_| Error::Invalid("pages.customer_key".to_owned()))?))
}

fn sealed(key: &CustomerKey, guid: &str, secret: &Secret) -> Result<Vec<u8>, Error> {
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let mut text = secret.0.clone().into_bytes();
    let done = cipher(key)?.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(guid.as_bytes()),
        &mut text,
    );
    done.map_err(|_| Error::Invalid("secret".to_owned()))?;
    Ok([nonce.as_slice(), &text].concat())
}

fn unsealed(key: &CustomerKey, guid: &str, sealed: &[u8]) -> Result<Secret, ()> {
    let (nonce, text) = sealed.split_at_checked(NONCE_BYTES).ok_or(())?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| ())?;
    let mut text = text.to_vec();
    let cipher = cipher(key).map_err(|_| ())?;
    let text = cipher.open_in_place(nonce, Aad::from(guid.as_bytes()), &mut text).map_err(|_| ())?;
    String::from_utf8(text.to_vec()).map(Secret).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d_t10_a_kept_secret_is_read_with_its_key_and_guid_only() {
        let key = CustomerKey::parse(&"1a2b".repeat(16)).unwrap();
        let secret = new_secret();
        assert_eq!(secret.0.len(), 32);
        let kept = sealed(&key, "a", &secret).unwrap();
        assert!(!kept.windows(8).any(|part| secret.0.as_bytes().windows(8).any(|own| own == part)));
        assert_eq!(unsealed(&key, "a", &kept), Ok(secret.clone()));
        assert_eq!(unsealed(&key, "b", &kept), Err(()));
        assert_eq!(unsealed(&CustomerKey::parse(&"1a2c".repeat(16)).unwrap(), "a", &kept), Err(()));
        assert_eq!(unsealed(&key, "a", &kept[..5]), Err(()));
        assert_ne!(sealed(&key, "a", &secret).unwrap(), kept, "never twice the same");
    }
}
