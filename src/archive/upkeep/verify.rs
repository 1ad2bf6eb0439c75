//! Holds objects and index against each other, both ways (RD-31).

use futures_util::StreamExt;

use crate::archive::{Archive, Error};
use crate::dicom::content_hash::{ContentHasher, HashAlgorithm};
use crate::domain::place::Place;
use crate::index::places::{self, Promise, PromiseKind};
use crate::objects::{self, Objects};

/// How thorough to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Objects are there and long enough.
    Lengths,
    /// Their bytes are read and hashed as well.
    Content,
}

/// Something that is not as the index promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The object is gone.
    Missing,
    /// The object ends too early.
    Short,
    /// The bytes are not those that were acknowledged.
    Changed,
    /// The store answers, but does not give this object's bytes.
    Unreadable,
}

impl Fault {
    /// The word kept in marks.
    pub fn as_str(&self) -> &'static str {
        match self {
            Fault::Missing => "missing",
            Fault::Short => "short",
            Fault::Changed => "changed",
            Fault::Unreadable => "unreadable",
        }
    }
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Promises checked.
    pub checked: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Row, key and what is wrong, at most [`FAULTS_KEPT`].
    pub faults: Vec<(String, String, Fault)>,
    /// All faults.
    pub fault_count: u64,
    /// Objects that no row names: leftovers, or objects that are just arriving.
    pub unnamed: u64,
    /// Their bytes.
    pub unnamed_bytes: u64,
}

/// Faults listed one by one; more are only counted.
pub const FAULTS_KEPT: usize = 1000;

impl Archive {
    /// Checks every promise of the index, then looks for objects without one. `progress` hears of each promise.
    pub async fn verify(&self, depth: Depth, progress: impl Fn(u64)) -> Result<Verified, Error> {
        let mut verified = Verified::default();
        for kind in PromiseKind::ALL {
            let mut after = 0;
            loop {
                let (promises, last) = places::promises(&self.index, kind, after).await?;
                if promises.is_empty() {
                    break;
                }
                after = last;
                for promise in promises {
                    verified.checked += 1;
                    verified.bytes += promise.place.length;
                    progress(verified.checked);
                    if let Some(fault) = self.check(&promise, depth).await?
                        && places::is_current(&self.index, &promise).await?
                    {
                        verified.fault_count += 1;
                        if verified.faults.len() < FAULTS_KEPT {
                            verified.faults.push((promise.row, promise.place.key, fault));
                        }
                    }
                }
            }
        }
        let mut listing = self.objects.list().chunks(500);
        while let Some(listed) = listing.next().await {
            let listed = listed.into_iter().collect::<Result<Vec<_>, _>>()?;
            let keys: Vec<String> = listed.iter().map(|object| object.key.clone()).collect();
            for key in places::unnamed(&self.index, &keys).await? {
                if Objects::is_segment(&key) && self.is_needed(&key).await? {
                    continue;
                }
                verified.unnamed += 1;
                verified.unnamed_bytes += listed.iter().find(|object| object.key == key).map_or(0, |o| o.length);
            }
        }
        Ok(verified)
    }

    pub(in crate::archive) async fn check(&self, promise: &Promise, depth: Depth) -> Result<Option<Fault>, Error> {
        let place = &promise.place;
        match self.objects.length(&place.key).await? {
            None => return Ok(Some(Fault::Missing)),
            Some(length) if length < place.offset + place.length => return Ok(Some(Fault::Short)),
            Some(_) => {}
        }
        if depth == Depth::Lengths {
            return Ok(None);
        }
        match self.hash_of(place, promise.hash_from, HashAlgorithm::of(&promise.content_hash)).await {
            Ok(hash) => Ok((hash != promise.content_hash).then_some(Fault::Changed)),
            Err(Error::Objects(objects::Error::Missing)) => Ok(Some(Fault::Missing)),
            Err(error) if self.is_of_one_object(&error).await => Ok(Some(Fault::Unreadable)),
            Err(error) => Err(error),
        }
    }

    /// Whether an error of reading says something of that object alone: the store itself is well. A walk over all of them
    /// notes it and goes on; otherwise one bad sector would hide everything behind it.
    pub(super) async fn is_of_one_object(&self, error: &Error) -> bool {
        let Error::Objects(reading @ (objects::Error::Folder(_) | objects::Error::Store(_))) = error else {
            return false;
        };
        let is_well = self.objects.probe().await.is_ok();
        if is_well {
            tracing::error!(error = %reading, "an object cannot be read, though its store is well");
        }
        is_well
    }

    /// The hash of a place's bytes from one of them on.
    pub(in crate::archive) async fn hash_of(
        &self,
        place: &Place,
        from: u64,
        algorithm: HashAlgorithm,
    ) -> Result<String, Error> {
        let rest =
            Place { key: place.key.clone(), offset: place.offset + from, length: place.length.saturating_sub(from) };
        let mut hash = ContentHasher::new(algorithm);
        let mut stream = self.objects.stream(&rest).await?;
        while let Some(bytes) = stream.next().await {
            hash.update(&bytes?);
        }
        Ok(hash.finish())
    }
}
