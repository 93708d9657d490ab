//! How models read the values that other tools write.
