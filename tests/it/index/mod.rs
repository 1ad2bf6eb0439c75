//! What the index promises, on both engines.

mod arrivals;
mod audit;
mod find_plans;
mod ids;
mod statements;
mod transactions;
