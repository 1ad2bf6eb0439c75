//! The front role against real upstreams.
