//! Real series against the truth that came with them, and synthetic series for everything real ones do not show.

mod hostile;
mod real;
mod synthetic;
mod writer;
