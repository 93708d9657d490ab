//! All integration tests, one binary: a module each.

mod objects;
