//! How often each kind of error was answered, by its code (`ERR`, `WRONGTYPE`): `INFO errorstats`.

use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Scripts may invent codes; Redis too stops counting new ones there.
const KINDS_MOST: usize = 128;

#[derive(Debug, Default)]
pub struct ErrorKinds(Mutex<BTreeMap<String, u64>>);

impl ErrorKinds {
    /// `text` is the error as the client reads it, code first.
    pub fn count(&self, text: &str) {
        let code = text.split(' ').next().unwrap_or_default();
        let mut kinds = self.0.lock();
        if let Some(count) = kinds.get_mut(code) {
            *count += 1;
        } else if kinds.len() < KINDS_MOST {
            kinds.insert(code.to_owned(), 1);
        }
    }

    pub fn all(&self) -> Vec<(String, u64)> {
        self.0.lock().iter().map(|(code, count)| (code.clone(), *count)).collect()
    }

    pub fn reset(&self) {
        self.0.lock().clear();
    }
}
