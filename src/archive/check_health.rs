//! Whether the archive can do its work right now (D-X12): its database answers, its object store answers.

use std::time::Duration;

use super::Archive;

/// How long a part may take to answer before it counts as down.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The database answered in time.
    pub database: Answer,
    /// The object store answered in time.
    pub objects: Answer,
}

/// How one part answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It answered.
    Up,
    /// It failed or took too long.
    Down,
}

impl Archive {
    /// Asks the database and the object store; never takes longer than two seconds, never fails.
    pub async fn check_health(&self) -> Health {
        let database = async { matches!(tokio::time::timeout(PATIENCE, self.index.ping()).await, Ok(Ok(()))) };
        // A key that is never written: the store has to look, and to say that there is nothing.
        let probe = self.objects.length("health/probe");
        let objects = async { matches!(tokio::time::timeout(PATIENCE, probe).await, Ok(Ok(_))) };
        let (database, objects) = tokio::join!(database, objects);
        Health { database: answer(database), objects: answer(objects) }
    }
}

fn answer(up: bool) -> Answer {
    if up { Answer::Up } else { Answer::Down }
}
