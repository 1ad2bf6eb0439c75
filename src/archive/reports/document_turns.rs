//! Turns of the work on documents: blocking threads behind semaphores, one for each kind of work.
//!
//! A parser of foreign bytes cannot be stopped. What somebody waits for therefore has a time, and turns apart from the
//! work that nobody waits for: a document on which drawing never ends is not drawn again, neither stamping nor composing
//! nor reading waits for it, and drawing itself goes on beside it, as far as there are places for such work.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use moka::future::Cache;
use tokio::sync::Semaphore;

use crate::archive::Error;
use crate::documents::DocumentsConfig;
use crate::objects;

/// Contents remembered at most on which work was not done in time, and of which the pages were counted.
const MOST_REMEMBERED: u64 = 10_000;
/// Pieces of work that may go on beside those of a turn because they were not done in time, for each turn.
const LEFT_BEHIND: usize = 2;

/// The row of the file or the instance, the content's hash, the page, the width.
pub(in crate::archive) type PictureKey = (i64, String, usize, u32);

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::archive) enum Awaited {
    /// Words and numbers of pages for a page.
    Reading,
    /// A picture of a page.
    Drawing,
}

impl Awaited {
    fn what(self) -> &'static str {
        match self {
            Awaited::Reading => "the time to read the document",
            Awaited::Drawing => "the time to draw the page",
        }
    }
}

/// Work on documents, and pictures made lately. A cheap clone.
#[derive(Debug, Clone)]
pub(crate) struct Documents {
    config: Arc<DocumentsConfig>,
    turns: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    drawing: Arc<Semaphore>,
    left_behind: Arc<Semaphore>,
    slow: Cache<(Awaited, String), ()>,
    pub(in crate::archive) pictures: Cache<PictureKey, Bytes>,
    /// Pages of contents that were counted lately; `None` where they cannot be.
    pub(in crate::archive) page_counts: Cache<String, Option<usize>>,
}

impl Documents {
    pub(crate) fn new(config: DocumentsConfig) -> Self {
        let pictures = Cache::builder()
            .max_capacity(config.picture_cache_bytes)
            .weigher(|_, picture: &Bytes| u32::try_from(picture.len()).unwrap_or(u32::MAX))
            .build();
        let places = |for_each_turn: usize| {
            Arc::new(Semaphore::new(config.concurrency.clamp(1, Semaphore::MAX_PERMITS / LEFT_BEHIND) * for_each_turn))
        };
        let (turns, reading, drawing, left_behind) = (places(1), places(1), places(1), places(LEFT_BEHIND));
        let (slow, page_counts) = (Cache::new(MOST_REMEMBERED), Cache::new(MOST_REMEMBERED));
        Self { config: Arc::new(config), turns, reading, drawing, left_behind, slow, pictures, page_counts }
    }

    pub(crate) fn config(&self) -> &DocumentsConfig {
        &self.config
    }

    /// Runs work that nobody waits for on a blocking thread when it is its turn. The turn lasts until the work ends, also
    /// when nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| stopped())?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        working.await.map_err(|_| stopped())
    }

    /// Runs work for somebody who waits, within `documents.render_timeout_ms` for the turn and as long for the work. The
    /// bytes are read when it is its turn, so that those who wait for one hold none.
    ///
    /// [`Error::Busy`] when no turn comes. `content` is the hash of the bytes: work that was not done in time once is not
    /// begun again on the same content before the program starts again ([`Error::TooLarge`]).
    pub(in crate::archive) async fn within<B: Send + 'static, T: Send + 'static>(
        &self,
        awaited: Awaited,
        content: &str,
        bytes: impl Future<Output = Result<B, Error>>,
        work: impl FnOnce(B) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let limit = Duration::from_millis(self.config.render_timeout_ms);
        let too_slow = move || Error::TooLarge { what: awaited.what(), limit: format!("{} ms", limit.as_millis()) };
        let key = (awaited, content.to_owned());
        if self.slow.contains_key(&key) {
            return Err(too_slow());
        }
        let turns = match awaited {
            Awaited::Reading => &self.reading,
            Awaited::Drawing => &self.drawing,
        };
        let turn = tokio::time::timeout(limit, Arc::clone(turns).acquire_owned()).await.map_err(|_| Error::Busy)?;
        let turn = turn.map_err(|_| stopped())?;
        // Another request may have found out meanwhile.
        if self.slow.contains_key(&key) {
            return Err(too_slow());
        }
        let bytes = bytes.await?;
        let (slow, left_behind) = (self.slow.clone(), Arc::clone(&self.left_behind));
        // Who asked may go away; the turn lasts, and that it was too slow is noted, all the same.
        let watched = tokio::spawn(async move {
            let mut working = tokio::task::spawn_blocking(move || work(bytes));
            if let Ok(done) = tokio::time::timeout(limit, &mut working).await {
                drop(turn);
                return done.map_err(|_| stopped());
            }
            slow.insert(key, ()).await;
            // It goes on as long as it likes, in a place apart or in its turn.
            let place = left_behind.try_acquire_owned().unwrap_or(turn);
            tokio::spawn(async move {
                let _ = working.await;
                drop(place);
            });
            Err(too_slow())
        });
        watched.await.map_err(|_| stopped())?
    }
}

fn stopped() -> Error {
    Error::Objects(objects::Error::Stopped)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    async fn ready() -> Result<(), Error> {
        Ok(())
    }

    /// What is refused, and who waits for a turn, reads nothing.
    async fn unread() -> Result<(), Error> {
        panic!("the bytes are read");
    }

    #[tokio::test]
    async fn drawings_that_never_end_keep_neither_other_work_nor_their_own_requests_waiting() {
        let config = DocumentsConfig { render_timeout_ms: 2000, concurrency: 1, ..DocumentsConfig::default() };
        let documents = Documents::new(config);
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        let endless = |content: &'static str| {
            let (documents, released) = (documents.clone(), Arc::clone(&released));
            // Ends when the sender does.
            let work = move |()| drop(released.lock().map(|released| released.recv()));
            async move { documents.within(Awaited::Drawing, content, ready(), work).await }
        };

        for content in ["one", "two"] {
            assert!(matches!(endless(content).await, Err(Error::TooLarge { .. })), "{content}");
            let drawn = documents.within(Awaited::Drawing, "other", ready(), |()| 0).await;
            assert_eq!(drawn.unwrap(), 0, "drawing goes on beside it");
        }
        assert!(matches!(endless("three").await, Err(Error::TooLarge { .. })));

        assert_eq!(documents.run(|| 1).await.unwrap(), 1, "stamping and composing go on");
        let read = documents.within(Awaited::Reading, "one", ready(), |()| 2).await;
        assert_eq!(read.unwrap(), 2, "reading goes on, that of the same content too");
        let again = documents.within(Awaited::Drawing, "one", unread(), |()| 3).await;
        assert!(matches!(again, Err(Error::TooLarge { what: "the time to draw the page", .. })));
        let other = documents.within(Awaited::Drawing, "other", unread(), |()| 4).await;
        assert!(matches!(other, Err(Error::Busy)), "so many are not borne");

        drop(release);

        let _turn = documents.drawing.acquire().await.unwrap();
        let _places = documents.left_behind.acquire_many(2).await.unwrap();
        assert!(documents.slow.contains_key(&(Awaited::Drawing, "two".to_owned())), "until the program starts again");
    }

    #[tokio::test]
    async fn what_was_too_slow_is_noted_when_nobody_waits_any_more() {
        let documents = Documents::new(DocumentsConfig { render_timeout_ms: 200, ..DocumentsConfig::default() });
        let (release, released) = mpsc::channel::<()>();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let waiting = tokio::spawn({
            let documents = documents.clone();
            let work = move |()| {
                let _ = begun.send(());
                let _ = released.recv();
            };
            async move { documents.within(Awaited::Reading, "one", ready(), work).await }
        });
        has_begun.await.unwrap();
        waiting.abort();
        let noted = async {
            while !documents.slow.contains_key(&(Awaited::Reading, "one".to_owned())) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), noted).await.expect("it is noted");
        drop(release);
    }
}
