//! The slow log: the last commands that took longer than `slowlog-log-slower-than`, newest first.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Redis keeps so many arguments of a command, and so many bytes of each.
const ARGS_MOST: usize = 32;
const BYTES_MOST: usize = 128;

/// A command that was slow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowCommand {
    pub id: u64,
    /// Unix time, in seconds.
    pub at: u64,
    pub micros: u64,
    pub args: Vec<Vec<u8>>,
    pub addr: String,
    pub client_name: String,
}

#[derive(Debug, Default)]
struct Entries {
    newest_first: VecDeque<Arc<SlowCommand>>,
    next_id: u64,
}

/// Bounded by `slowlog-max-len`.
#[derive(Debug, Default)]
pub struct SlowLog(Mutex<Entries>);

impl SlowLog {
    /// Numbers the entry and keeps it, and at most `most` of all.
    pub fn add(&self, mut entry: SlowCommand, most: usize) {
        let mut entries = self.0.lock();
        entry.id = entries.next_id;
        entries.next_id += 1;
        entries.newest_first.push_front(Arc::new(entry));
        entries.newest_first.truncate(most);
    }

    /// The newest `most` entries.
    pub fn newest(&self, most: usize) -> Vec<Arc<SlowCommand>> {
        self.0.lock().newest_first.iter().take(most).cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.0.lock().newest_first.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all entries; numbers go on.
    pub fn clear(&self) {
        self.0.lock().newest_first.clear();
    }
}

/// Arguments as the log keeps them, long ones and the last of many cut short with Redis' words.
pub fn shortened<'a>(args: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let count = args.len();
    let kept = if count > ARGS_MOST { ARGS_MOST - 1 } else { count };
    let mut short: Vec<Vec<u8>> = args
        .take(kept)
        .map(|arg| {
            if arg.len() <= BYTES_MOST {
                return arg.to_vec();
            }
            let mut cut = arg[..BYTES_MOST].to_vec();
            cut.extend_from_slice(format!("... ({} more bytes)", arg.len() - BYTES_MOST).as_bytes());
            cut
        })
        .collect();
    if kept < count {
        short.push(format!("... ({} more arguments)", count - kept).into_bytes());
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_keeps_the_newest_and_its_numbers_go_on() {
        let log = SlowLog::default();
        let entry = |micros| SlowCommand {
            id: 0,
            at: 1,
            micros,
            args: Vec::new(),
            addr: String::new(),
            client_name: String::new(),
        };
        for micros in 0..5 {
            log.add(entry(micros), 3);
        }
        let ids: Vec<_> = log.newest(2).iter().map(|entry| (entry.id, entry.micros)).collect();
        assert_eq!(ids, [(4, 4), (3, 3)]);
        assert_eq!(log.len(), 3);
        log.clear();
        log.add(entry(9), 1);
        assert_eq!(log.newest(9)[0].id, 5);
        log.add(entry(9), 0);
        assert!(log.is_empty());
    }

    #[test]
    fn long_commands_are_cut_short_in_redis_words() {
        let long = [b'x'; 130];
        let args = vec![&long[..]; 40];
        let short = shortened(args.into_iter());
        assert_eq!(short.len(), 32);
        assert_eq!(short[31], b"... (9 more arguments)");
        assert!(short[0].ends_with(b"x... (2 more bytes)"));
    }
}
