//! Inbound messages as they came, with what was answered (D-X2).

use bytes::Bytes;

use super::{Error, Index, Row, Select, Tx, Value};
use crate::params;

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// It has not been dealt with: just now, or the process ended on the way.
    Open,
    /// Everything in it was accepted.
    Done,
    /// Something in it was not accepted, or nothing could be read.
    Failed,
    /// Whoever sent it may not.
    Refused,
}

impl MessageState {
    /// Every state.
    pub const ALL: [MessageState; 4] =
        [MessageState::Open, MessageState::Done, MessageState::Failed, MessageState::Refused];

    /// The word kept in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            MessageState::Open => "open",
            MessageState::Done => "done",
            MessageState::Failed => "failed",
            MessageState::Refused => "refused",
        }
    }

    /// Reads the word kept in the table.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A message as it came.
#[derive(Debug, Clone, Default)]
pub struct InboxMessage {
    /// Service and method, e.g. `IAutoReport/ArchiveAutoReport`.
    pub channel: String,
    /// Who sent it, empty when nobody known.
    pub sender: String,
    /// Address of the connection.
    pub remote_addr: String,
    /// Content-Type of the request.
    pub content_type: String,
    /// The request's headers as JSON, without secrets.
    pub headers: String,
    /// Codes of the organisations of its records, joined by a comma.
    pub org_codes: String,
    /// The message's own time as written (D-R27).
    pub sent_at: String,
    /// The business date as written (D-R27).
    pub business_date: String,
    /// The body.
    pub body: Bytes,
    /// Whether the body is not kept whole.
    pub is_cut: bool,
    /// SHA-256 of the body, hex.
    pub content_hash: String,
}

/// A message that was kept, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMessage {
    /// Its id.
    pub id: i64,
    /// Service and method.
    pub channel: String,
    /// Who sent it, empty when nobody known.
    pub sender: String,
    /// Address of the connection.
    pub remote_addr: String,
    /// Content-Type of the request.
    pub content_type: String,
    /// The request's headers as JSON, without secrets.
    pub headers: String,
    /// Codes of the organisations of its records, joined by a comma.
    pub org_codes: String,
    /// The message's own time as written.
    pub sent_at: String,
    /// The business date as written.
    pub business_date: String,
    /// Bytes of the body that are kept.
    pub body_length: i64,
    /// Whether the body is not kept whole.
    pub is_cut: bool,
    /// SHA-256 of the kept body, hex.
    pub content_hash: String,
    /// When it came.
    pub received_at: i64,
    /// How it ended.
    pub state: MessageState,
    /// What became of its records, as JSON; or a code.
    pub result: Option<String>,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// How often it was taken up again.
    pub replays: i64,
    /// When it last was.
    pub replayed_at: Option<i64>,
}

/// Messages whose state this version knows: those of a newer one beside it are not ours to show.
fn known_messages() -> Select {
    let mut select = Select::new(
        "SELECT id, channel, sender, remote_addr, content_type, headers, org_codes, sent_at, business_date, \
         body_length, is_cut, content_hash, received_at, state, result, finished_at, replays, replayed_at \
         FROM inbox_message WHERE 1 = 1",
    );
    select.push_in(" AND state", MessageState::ALL.map(|state| Value::from(state.as_str())).to_vec());
    select
}

/// Keeps a message. `ended` is given when it has been dealt with already.
pub async fn insert(
    tx: &mut Tx,
    id: i64,
    now: i64,
    message: InboxMessage,
    ended: Option<(MessageState, String)>,
) -> Result<(), Error> {
    let sql = "INSERT INTO inbox_message (id, channel, sender, remote_addr, content_type, headers, org_codes, sent_at, \
               business_date, body, body_length, is_cut, content_hash, received_at, state, result, finished_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    let finished = ended.as_ref().map(|_| now);
    let (state, result) = ended.map_or((MessageState::Open, None), |(state, result)| (state, Some(result)));
    let InboxMessage { channel, sender, remote_addr, content_type, headers, org_codes, sent_at, .. } = message;
    let length = i64::try_from(message.body.len()).unwrap_or(i64::MAX);
    let values = params![
        id,
        channel,
        sender,
        remote_addr,
        content_type,
        headers,
        org_codes,
        sent_at,
        message.business_date,
        message.body.to_vec(),
        length,
        message.is_cut,
        message.content_hash,
        now,
        state.as_str(),
        result,
        finished,
    ];
    tx.post(sql, values).await
}

/// Notes what became of a message.
pub async fn finish(tx: &mut Tx, id: i64, now: i64, state: MessageState, result: &str) -> Result<(), Error> {
    let sql = "UPDATE inbox_message SET state = $1, result = $2, finished_at = $3 WHERE id = $4";
    tx.execute(sql, params![state.as_str(), result, now, id]).await.map(|_| ())
}

/// Notes what became of a message that was taken up again, and as whose.
pub async fn finish_replay(
    tx: &mut Tx,
    id: i64,
    now: i64,
    sender: &str,
    state: MessageState,
    result: &str,
) -> Result<(), Error> {
    let sql = "UPDATE inbox_message SET state = $1, result = $2, finished_at = $3, replayed_at = $3, \
               replays = replays + 1, sender = $4 WHERE id = $5";
    tx.execute(sql, params![state.as_str(), result, now, sender, id]).await.map(|_| ())
}

/// A kept message.
pub async fn get(index: &Index, id: i64) -> Result<Option<KeptMessage>, Error> {
    let mut select = known_messages();
    select.push(" AND id = ?", params![id]);
    index.query_opt(select.sql(), select.values()).await?.as_ref().map(message_from).transpose()
}

/// The kept body of a message.
pub async fn body(index: &Index, id: i64) -> Result<Option<Vec<u8>>, Error> {
    let row = index.query_opt("SELECT body FROM inbox_message WHERE id = $1", params![id]).await?;
    row.map(|row| row.get("body")).transpose()
}

/// Which messages are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InboxSearch {
    /// Service and method, when only one is wanted.
    pub channel: Option<String>,
    /// Who sent it, when only one is wanted.
    pub sender: Option<String>,
    /// An organisation that it must speak of.
    pub org_code: Option<String>,
    /// States; all when empty.
    pub states: Vec<MessageState>,
    /// Not before.
    pub since: Option<i64>,
    /// Before.
    pub until: Option<i64>,
}

/// From which end messages are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxOrder {
    /// The newest first.
    NewestFirst,
    /// In the order of their arrival, as they are taken up again.
    OldestFirst,
}

/// A part of the messages after `after`, in the order of their arrival or against it.
pub async fn find(
    index: &Index,
    search: &InboxSearch,
    inbox_order: InboxOrder,
    after: Option<(i64, i64)>,
    limit: u32,
) -> Result<Vec<KeptMessage>, Error> {
    let mut select = known_messages();
    if let Some(channel) = &search.channel {
        select.push(" AND channel = ?", params![channel]);
    }
    if let Some(sender) = &search.sender {
        select.push(" AND sender = ?", params![sender]);
    }
    if !search.states.is_empty() {
        select.push_in(" AND state", search.states.iter().map(|state| state.as_str().into()).collect());
    }
    if let Some(since) = search.since {
        select.push(" AND received_at >= ?", params![since]);
    }
    if let Some(until) = search.until {
        select.push(" AND received_at < ?", params![until]);
    }
    if let Some((at, id)) = after {
        let beyond = match inbox_order {
            InboxOrder::NewestFirst => " AND received_at <= ? AND (received_at < ? OR id < ?)",
            InboxOrder::OldestFirst => " AND received_at >= ? AND (received_at > ? OR id > ?)",
        };
        select.push(beyond, params![at, at, id]);
    }
    let order = match inbox_order {
        InboxOrder::NewestFirst => " ORDER BY received_at DESC, id DESC LIMIT ?",
        InboxOrder::OldestFirst => " ORDER BY received_at, id LIMIT ?",
    };
    select.push(order, params![i64::from(limit)]);
    index.query(select.sql(), select.values()).await?.iter().map(message_from).collect()
}

/// How many messages wait, failed and were refused since a moment.
pub async fn count_since(index: &Index, since: i64) -> Result<Vec<(MessageState, i64)>, Error> {
    let sql = "SELECT state, COUNT(*) AS messages FROM inbox_message WHERE received_at >= $1 GROUP BY state";
    let rows = index.query(sql, params![since]).await?;
    let mut counts = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(state) = MessageState::parse(&row.text("state")?) else { continue };
        counts.push((state, row.int("messages")?));
    }
    Ok(counts)
}

/// Bytes of all kept bodies.
pub async fn kept_bytes(index: &Index) -> Result<i64, Error> {
    // The sum of whole numbers is a decimal on PostgreSQL.
    let sql = "SELECT CAST(COALESCE(SUM(body_length), 0) AS BIGINT) AS bytes FROM inbox_message";
    index.query_opt(sql, Vec::new()).await?.map_or(Ok(0), |row| row.int("bytes"))
}

/// Forgets the oldest messages that came before a moment, all or those of one state; gives messages and bytes.
pub async fn forget(tx: &mut Tx, before: i64, state: Option<MessageState>, limit: u32) -> Result<(u64, i64), Error> {
    let sql = "DELETE FROM inbox_message WHERE id IN (SELECT id FROM inbox_message WHERE received_at < $1 \
               AND ($2 = '' OR state = $2) ORDER BY received_at LIMIT $3) RETURNING body_length";
    let state = state.map_or("", MessageState::as_str);
    let rows = tx.query(sql, params![before, state, i64::from(limit)]).await?;
    let bytes = rows.iter().map(|row| row.int("body_length")).sum::<Result<i64, _>>()?;
    Ok((rows.len() as u64, bytes))
}

fn message_from(row: &Row) -> Result<KeptMessage, Error> {
    Ok(KeptMessage {
        id: row.int("id")?,
        channel: row.text("channel")?,
        sender: row.text("sender")?,
        remote_addr: row.text("remote_addr")?,
        content_type: row.text("content_type")?,
        headers: row.text("headers")?,
        org_codes: row.text("org_codes")?,
        sent_at: row.text("sent_at")?,
        business_date: row.text("business_date")?,
        body_length: row.int("body_length")?,
        is_cut: row.flag("is_cut")?,
        content_hash: row.text("content_hash")?,
        received_at: row.int("received_at")?,
        state: MessageState::parse(&row.text("state")?).ok_or(Error::Damaged("inbox_message.state"))?,
        result: row.get("result")?,
        finished_at: row.get("finished_at")?,
        replays: row.int("replays")?,
        replayed_at: row.get("replayed_at")?,
    })
}
