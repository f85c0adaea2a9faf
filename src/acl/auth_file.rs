//! memcached's file of users (`-Y`, `--auth-file`): a line `user:password` for each.
//!
//! Differs: more than eight lines are read, and the last one needs no line ending.

use std::path::Path;

/// As memcached, which takes a longer line for a mistake.
const MAX_LINE: usize = 256;

type Logins = Vec<(Vec<u8>, Vec<u8>)>;

/// Names and passwords.
///
/// # Errors
/// In memcached's words.
pub(super) fn read(path: &Path) -> Result<Logins, String> {
    let shown = path.display();
    let text = std::fs::read(path)
        .map_err(|error| format!("Could not open authfile [{shown}] for reading, error {error}"))?;
    parse(&text).ok_or_else(|| format!("Authfile [{shown}] has a malformed entry. Should be 'user:password'"))
}

fn parse(text: &[u8]) -> Option<Logins> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if text.is_empty() {
        return Some(Logins::new());
    }
    text.split(|&byte| byte == b'\n').map(login).collect()
}

fn login(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let colon = memchr::memchr(b':', line).filter(|_| line.len() <= MAX_LINE)?;
    let (name, password) = (&line[..colon], &line[colon + 1..]);
    // memcached takes these too, but nobody can send them.
    let is_word = |text: &[u8]| !text.is_empty() && !text.iter().any(|byte| b" \0".contains(byte));
    (is_word(name) && is_word(password)).then(|| (name.to_vec(), password.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<String> {
        let logins = parse(text.as_bytes())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(logins.iter().map(|(name, password)| format!("{}={} ", text(name), text(password))).collect())
    }

    #[test]
    fn a_line_is_a_user() {
        assert_eq!(parsed("bob:secret\neve:a:b\n").as_deref(), Some("bob=secret eve=a:b "));
        assert_eq!(parsed("bob:secret\r\neve:pw").as_deref(), Some("bob=secret eve=pw "));
        assert_eq!(parsed("").as_deref(), Some(""));
        for wrong in ["\nbob:x\n", "# bob\n", "bob\n", ":x\n", "bob:\n", "b b:x", &"b".repeat(300)] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
