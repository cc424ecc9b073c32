//! Metrics and reports from a recorded session.
