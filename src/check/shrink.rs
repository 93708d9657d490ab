//! The smallest sub-history that still violates.
