//! Reading nnU-Net's JSON files: every value knows its path, so that an error names it.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::{fmt, fs::File, io::Read, path::Path};

/// Longest JSON file that is read, bytes.
const LONGEST: u64 = 64 << 20;

/// Why a JSON file of a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The file cannot be read.
    #[error("{file} cannot be read: {source}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// Larger than any such file is.
    #[error("{file} is larger than 64 MiB; that is no nnU-Net file")]
    TooLong {
        /// The file.
        file: String,
    },
    /// Not JSON.
    #[error("{file} is not valid JSON: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// What and where.
        message: String,
    },
    /// A value is missing or makes no sense.
    #[error("{file}: {path}: {message}")]
    Value {
        /// The file.
        file: String,
        /// Keys down to the value, joined by points.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// A value is valid nnU-Net and beyond what this engine runs.
    #[error("{file}: {path}: {message}; this engine does not run such a model")]
    Unsupported {
        /// The file.
        file: String,
        /// Keys down to the value, joined by points.
        path: String,
        /// What is not supported.
        message: String,
    },
}

/// A JSON value whose objects keep their keys in the file's order, as Python's do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<'a> {
    file: &'a str,
    path: String,
    /// The value itself.
    pub(super) json: &'a Json,
}

/// Reads a file within bounds.
pub(super) fn read(path: &Path) -> Result<Json, JsonError> {
    let file = path.display().to_string();
    let open = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = open().map_err(|source| JsonError::Read { file: file.clone(), source })?;
    if bytes.len() as u64 > LONGEST {
        return Err(JsonError::TooLong { file });
    }
    parse(&file, &bytes)
}

/// Parses bytes; `file` is used in messages.
pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Json, JsonError> {
    serde_json::from_slice(bytes).map_err(|e| JsonError::Syntax { file: file.to_owned(), message: e.to_string() })
}

impl<'a> At<'a> {
    /// The whole file.
    pub(super) fn root(file: &'a str, json: &'a Json) -> Self {
        Self { file, path: String::new(), json }
    }

    /// An error at this value.
    pub(super) fn wrong(&self, message: impl Into<String>) -> JsonError {
        JsonError::Value { file: self.file.to_owned(), path: self.place(), message: message.into() }
    }

    /// A refusal at this value.
    pub(super) fn unsupported(&self, message: impl Into<String>) -> JsonError {
        JsonError::Unsupported { file: self.file.to_owned(), path: self.place(), message: message.into() }
    }

    fn place(&self) -> String {
        if self.path.is_empty() { "the file".to_owned() } else { self.path.clone() }
    }

    fn child(&self, key: &str, json: &'a Json) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { file: self.file, path, json }
    }

    /// The value under `key`, or none when missing or null.
    pub(super) fn find(&self, key: &str) -> Result<Option<Self>, JsonError> {
        let object = self.object()?;
        Ok(object.iter().rev().find(|(k, _)| k == key).map(|(_, v)| self.child(key, v)).filter(|at| *at.json != Json::Null))
    }

    /// The value under `key`.
    pub(super) fn need(&self, key: &str) -> Result<Self, JsonError> {
        self.find(key)?.ok_or_else(|| self.wrong(format!("{key:?} is missing")))
    }

    pub(super) fn object(&self) -> Result<&'a [(String, Json)], JsonError> {
        match self.json {
            Json::Object(pairs) => Ok(pairs),
            _ => Err(self.wrong("must be an object")),
        }
    }

    /// Keys and values of an object.
    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Self)>, JsonError> {
        Ok(self.object()?.iter().map(|(k, v)| (k.as_str(), self.child(k, v))).collect())
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<Vec<Self>, JsonError> {
        match self.json {
            Json::List(items) => Ok(items.iter().enumerate().map(|(i, v)| self.child(&i.to_string(), v)).collect()),
            _ => Err(self.wrong("must be a list")),
        }
    }

    /// Three items, which is what a 3-D network has.
    pub(super) fn three<T: Copy + Default>(&self, read: impl Fn(&Self) -> Result<T, JsonError>) -> Result<[T; 3], JsonError> {
        let items = self.items()?;
        if items.len() == 2 {
            return Err(self.unsupported("a 2-D configuration"));
        }
        if items.len() != 3 {
            return Err(self.wrong(format!("must have 3 items, has {}", items.len())));
        }
        let mut out = [T::default(); 3];
        for (slot, item) in out.iter_mut().zip(&items) {
            *slot = read(item)?;
        }
        Ok(out)
    }

    pub(super) fn number(&self) -> Result<f64, JsonError> {
        match self.json {
            Json::Number(n) if n.is_finite() => Ok(*n),
            _ => Err(self.wrong("must be a finite number")),
        }
    }

    /// A whole number of at most `most`.
    pub(super) fn whole(&self, most: usize) -> Result<usize, JsonError> {
        let n = self.number()?;
        if n.fract() != 0.0 || n < 0.0 || n > most as f64 {
            return Err(self.wrong(format!("must be a whole number from 0 to {most}, is {n}")));
        }
        Ok(n as usize)
    }

    pub(super) fn text(&self) -> Result<&'a str, JsonError> {
        match self.json {
            Json::Text(text) => Ok(text),
            _ => Err(self.wrong("must be a string")),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, JsonError> {
        match self.json {
            Json::Bool(b) => Ok(*b),
            _ => Err(self.wrong("must be true or false")),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Json;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }
            fn visit_bool<E>(self, v: bool) -> Result<Json, E> {
                Ok(Json::Bool(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Json, E> {
                Ok(Json::Number(v as f64))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Json, E> {
                Ok(Json::Number(v as f64))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Json, E> {
                Ok(Json::Number(v))
            }
            fn visit_str<E>(self, v: &str) -> Result<Json, E> {
                Ok(Json::Text(v.to_owned()))
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Json::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Json::Object(pairs))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
