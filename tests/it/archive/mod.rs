//! The use cases, seen from their callers.

mod store_instance;
