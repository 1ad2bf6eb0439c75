//! What the index promises, on both engines.

mod arrivals;
mod audit;
mod exam_lists;
mod find_plans;
mod ids;
mod kept_reports;
mod newer_words;
mod posted;
mod postgres_plans;
mod statements;
mod transactions;
mod unnumbered;
mod walks;
