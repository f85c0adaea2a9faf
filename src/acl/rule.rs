//! What can be wrong with a rule, and how rules are put together from words.

use std::borrow::Cow;

/// Why a rule is refused, in Redis' words (`ACLSetUserStringError`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("Syntax error")]
    Syntax,
    #[error("Unknown command or category name in ACL")]
    Unknown,
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. \
         Try 'resetkeys' to start with an empty list of patterns"
    )]
    AfterAllKeys,
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
         effect. Try 'resetchannels' to start with an empty list of channels"
    )]
    AfterAllChannels,
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    BadHash,
    #[error("Duplicate user found. A user can only be defined once in config files")]
    Duplicate,
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgOfSubcommand,
}

/// Neither a user's name nor a pattern may hold blanks or zeros, which the file could not keep.
pub fn has_blanks(text: &[u8]) -> bool {
    // C's isspace, which has the vertical tab beside Rust's.
    text.iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0b))
}

/// Joins the words of a selector, `(` … `)`, that came apart: `(~a`, `+get)` is `(~a +get)`.
///
/// # Errors
/// The index of the word with a parenthesis that is never closed.
pub fn merge_selectors<'r>(words: &[&'r [u8]]) -> Result<Vec<Cow<'r, [u8]>>, usize> {
    let mut merged = Vec::with_capacity(words.len());
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (at, &word) in words.iter().enumerate() {
        let ends = word.last() == Some(&b')');
        match &mut open {
            // As in Redis, a word that opens is not looked at as one that goes on.
            _ if word.first() == Some(&b'(') && !ends => open = Some((at, word.to_vec())),
            Some((_, selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
                if ends {
                    merged.extend(open.take().map(|(_, selector)| Cow::Owned(selector)));
                }
            }
            None => merged.push(Cow::Borrowed(word)),
        }
    }
    open.map_or(Ok(merged), |(at, _)| Err(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(words: &str) -> Result<String, usize> {
        let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        let join = |rules: Vec<Cow<'_, [u8]>>| {
            let rules: Vec<_> = rules.iter().map(|rule| String::from_utf8_lossy(rule).into_owned()).collect();
            rules.join("|")
        };
        merge_selectors(&words).map(join)
    }

    #[test]
    fn a_selector_may_come_in_pieces() {
        assert_eq!(merged("on (~a +get) off").as_deref(), Ok("on|(~a +get)|off"));
        assert_eq!(merged("() (a)").as_deref(), Ok("()|(a)"));
        assert_eq!(merged("(a (b c)").as_deref(), Ok("(b c)"));
        assert_eq!(merged("on (a b"), Err(1));
        assert_eq!(merged("a) b").as_deref(), Ok("a)|b"));
    }

    #[test]
    fn blanks_are_those_of_c() {
        for blank in [b" ", b"\t", b"\n", b"\r", b"\x0b", b"\x0c", b"\0"] {
            assert!(has_blanks(blank));
        }
        assert!(!has_blanks("a*é".as_bytes()));
    }
}
