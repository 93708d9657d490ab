//! All integration tests, one binary: a module each.

mod generate;
