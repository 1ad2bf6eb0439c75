//! Who acts: every use case is told, every audit record says.

/// The kinds of callers that the archive knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// A DICOM application.
    Peer,
    /// A system that registers reports.
    Sender,
    /// A system that queries reports.
    Client,
    /// A hospital system whose user opened a signed page.
    Customer,
    /// Somebody with the printed QR code.
    Visitor,
    /// A person at the command line.
    Operator,
    /// The archive itself (jobs, start-up).
    System,
}

impl ActorKind {
    /// The word kept in audit records.
    pub fn as_str(self) -> &'static str {
        match self {
            ActorKind::Peer => "peer",
            ActorKind::Sender => "sender",
            ActorKind::Client => "client",
            ActorKind::Customer => "customer",
            ActorKind::Visitor => "visitor",
            ActorKind::Operator => "operator",
            ActorKind::System => "system",
        }
    }
}

/// Somebody who asks the archive for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// What kind of caller.
    pub kind: ActorKind,
    /// AE title, sender's name, client's id, customer's GUID, or the program's own part.
    pub name: String,
    /// The third-party user behind a customer; empty otherwise.
    pub user_id: String,
    /// Address of the connection, empty when there is none.
    pub remote_addr: String,
}

impl Actor {
    /// The archive itself.
    pub fn system(part: &str) -> Self {
        Self { kind: ActorKind::System, name: part.to_owned(), user_id: String::new(), remote_addr: String::new() }
    }
}
