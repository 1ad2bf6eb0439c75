//! What the index promises, on both engines.

mod audit;
mod ids;
mod statements;
mod transactions;
