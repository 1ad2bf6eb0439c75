//! What the index promises, on both engines.

mod arrivals;
mod audit;
mod changed_reports;
mod exam_lists;
mod find_plans;
mod ids;
mod posted;
mod postgres_plans;
mod statements;
mod transactions;
