//! What is seen: theatre, patient, tools and people.

pub(crate) mod anatomy;
pub(crate) mod fragments;
pub(crate) mod labels;
pub(crate) mod looks;
pub(crate) mod overlay;
pub(crate) mod palette;
pub(crate) mod people;
pub(crate) mod surface;
pub(crate) mod theatre;
pub(crate) mod toolmesh;
pub(crate) mod tools;
