//! Function libraries: the shebang that names one, what is loaded, and joining several at once.

use super::cache::Script;
use crate::lua::{INVALID_NAME, Registered, is_valid_name, may_soil};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) struct Library {
    pub name: String,
    pub code: Vec<u8>,
    pub functions: Vec<Registered>,
}

/// All that is loaded.
#[derive(Default)]
pub(super) struct Libraries {
    by_name: BTreeMap<String, Library>,
    functions: HashMap<String, Script>,
}

/// The words of a shebang line, and the code from the end of that line on: line numbers stay right.
pub(super) fn split_shebang(code: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    let end = memchr::memchr(b'\n', code)?;
    let words = code[..end].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    Some((words, &code[end..]))
}

/// A library's name, from `#!lua name=…`; and its source.
///
/// # Errors
/// What is wrong with the first line.
pub(super) fn metadata(code: &[u8]) -> Result<(String, &[u8]), String> {
    if !code.starts_with(b"#!") {
        return Err("ERR Missing library metadata".to_owned());
    }
    let (words, source) = split_shebang(code).ok_or("ERR Invalid library metadata")?;
    let mut words = words.into_iter();
    let engine = words.next().unwrap_or_default();
    let mut name = None;
    for word in words {
        let Some(value) = word.strip_prefix(b"name=") else {
            let word = String::from_utf8_lossy(word);
            return Err(format!("ERR Invalid metadata value given: {word}"));
        };
        if name.replace(value).is_some() {
            return Err("ERR Invalid metadata value, name argument was given multiple times".to_owned());
        }
    }
    let name = name.ok_or("ERR Library name was not given")?;
    if !is_valid_name(name) {
        return Err(format!("ERR {INVALID_NAME}"));
    }
    if !engine[2..].eq_ignore_ascii_case(b"lua") {
        return Err(format!("ERR Engine '{}' not found", String::from_utf8_lossy(&engine[2..])));
    }
    Ok((String::from_utf8_lossy(name).into_owned(), source))
}

impl Libraries {
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Library> {
        self.by_name.values()
    }

    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Bytes of source.
    pub fn bytes(&self) -> usize {
        self.by_name.values().map(|library| library.code.len()).sum()
    }

    pub fn function(&self, name: &[u8]) -> Option<&Script> {
        self.functions.get(std::str::from_utf8(name).ok()?)
    }

    /// Adds a library in the place of one with its name.
    ///
    /// # Errors
    /// Another library has a function of that name; nothing has changed.
    pub fn insert(&mut self, library: Library) -> Result<(), String> {
        let replaced = self.by_name.get(&library.name);
        let is_replaced = |name: &str| {
            replaced.is_some_and(|old| old.functions.iter().any(|function| function.name == name))
        };
        let rival = library
            .functions
            .iter()
            .find(|function| self.functions.contains_key(&function.name) && !is_replaced(&function.name));
        if let Some(rival) = rival {
            return Err(format!("ERR Function {} already exists", rival.name));
        }
        self.remove(&library.name);
        let soils = may_soil(&library.code);
        for function in &library.functions {
            let script = Script {
                function: function.callback.clone(),
                flags: Some(function.flags),
                soils,
                pace: Arc::default(),
            };
            self.functions.insert(function.name.clone(), script);
        }
        self.by_name.insert(library.name.clone(), library);
        Ok(())
    }

    /// `false`: there is none.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(library) = self.by_name.remove(name) else { return false };
        for function in library.functions {
            self.functions.remove(&function.name);
        }
        true
    }

    pub fn clear(&mut self) {
        *self = Libraries::default();
    }

    /// Takes these in, all or none; with `replace` in the place of those with their names.
    ///
    /// # Errors
    /// A name is taken.
    pub fn join(&mut self, added: Vec<Library>, replace: bool) -> Result<(), String> {
        if let Some(known) = added.iter().find(|library| !replace && self.contains(&library.name)) {
            return Err(format!("ERR Library {} already exists", known.name));
        }
        let is_replaced = |library: &str| added.iter().any(|new| new.name == library);
        let stays = |function: &str| {
            self.by_name.values().any(|library| {
                !is_replaced(&library.name) && library.functions.iter().any(|known| known.name == function)
            })
        };
        for function in added.iter().flat_map(|library| &library.functions) {
            if stays(&function.name) {
                return Err(format!("ERR Function {} already exists", function.name));
            }
        }
        for library in &added {
            self.remove(&library.name);
        }
        added.into_iter().try_for_each(|library| self.insert(library))
    }
}
