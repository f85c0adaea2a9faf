//! Users on disk: the ACL file (`aclfile`), which `ACL LOAD` reads and `ACL SAVE` writes, and `user` lines of
//! the config file. Words of the ACL file are apart by single blanks, without quotes, as in Redis.

use super::rule::{RuleError, has_blanks, merge_selectors};
use super::user::User;
use std::collections::BTreeMap;
use std::path::Path;

/// What reading a file gives: its users by name.
pub(super) type Users = BTreeMap<Vec<u8>, User>;

/// `path`'s users, given ids by `next_id`. Every line is looked at, so that all mistakes are told at once.
///
/// # Errors
/// The mistakes, in Redis' words, in one line.
pub(super) fn read(path: &Path, all_channels: bool, next_id: impl FnMut() -> u64) -> Result<Users, Vec<u8>> {
    let shown = path.display().to_string();
    let text = std::fs::read(path).map_err(|error| {
        format!("Error loading ACLs, opening file '{shown}': {}", system_text(&error)).into_bytes()
    })?;
    parse(&text, &shown, all_channels, next_id)
}

/// What the system calls an error, without its number.
fn system_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(text, _)| text).to_owned()
}

fn parse(
    text: &[u8],
    path: &str,
    all_channels: bool,
    mut next_id: impl FnMut() -> u64,
) -> Result<Users, Vec<u8>> {
    let mut users = Users::new();
    let mut errors = Vec::new();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let number = index + 1;
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let [b"user", name, rules @ ..] = &words[..] else {
            let error = format!("{path}:{number} should start with user keyword followed by the username. ");
            errors.extend(error.into_bytes());
            continue;
        };
        if has_blanks(name) {
            let before = format!("'{path}:{number}: username '");
            errors.extend([before.as_bytes(), name, b"' contains invalid characters. "].concat());
            continue;
        }
        if users.contains_key(*name) {
            let after = format!("' found on line {number}. ");
            errors.extend([b"WARNING: Duplicate user '", *name, after.as_bytes()].concat());
            continue;
        }
        let mut user = User::new(name, next_id(), all_channels);
        errors.extend(apply(&mut user, rules, path, number, all_channels));
        users.insert(name.to_vec(), user);
    }
    if errors.is_empty() {
        return Ok(users);
    }
    errors.extend_from_slice(
        b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
    );
    Err(errors)
}

/// Gives the mistakes. Of those that are not about a command's name only the first is told: it may be the cause
/// of the others, and a password may be in them.
fn apply(user: &mut User, rules: &[&[u8]], path: &str, number: usize, all_channels: bool) -> Vec<u8> {
    let Ok(rules) = merge_selectors(rules) else {
        return format!("{path}:{number}: Unmatched parenthesis in selector definition.").into_bytes();
    };
    let mut errors = Vec::new();
    let mut is_told = false;
    for rule in rules {
        let rule = rule.trim_ascii();
        match user.apply(rule, all_channels) {
            Ok(()) => {}
            Err(error @ RuleError::Unknown) => {
                let before = format!("{path}:{number}: Error in applying operation '");
                errors.extend([before.as_bytes(), rule, format!("': {error}. ").as_bytes()].concat());
            }
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    errors.extend(format!("{path}:{number}: {error}. ").into_bytes());
                }
            }
        }
    }
    errors
}

/// The users' lines, each with its end.
pub(super) fn render<'u>(users: impl Iterator<Item = &'u User>) -> Vec<u8> {
    users.flat_map(|user| [user.describe(), b"\n".to_vec()].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, String> {
        let text_of = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        parse(text.as_bytes(), "f", false, || 1).map(|users| text_of(render(users.values()))).map_err(text_of)
    }

    #[test]
    fn a_file_is_read_back_as_it_is_written() {
        let text = "user bob off sanitize-payload %R~a resetchannels -@all +get (~b resetchannels &c -@all +@read)\n\
                    user default on nopass sanitize-payload ~* &* +@all\n";
        assert_eq!(parsed(text).as_deref(), Ok(text));
        assert_eq!(parsed("\n  \r\n").as_deref(), Ok(""));
        assert_eq!(parsed("user a (~a +get) \r\n").map(|text| text.matches('(').count()), Ok(1));
    }

    #[test]
    fn all_mistakes_are_told() {
        let said = parsed("user a +nope >x ~* ~b &* &c\n# no\nuser a\nuser b (+get\nuser b\tc on\nuser")
            .unwrap_err();
        assert_eq!(
            said,
            "f:1: Error in applying operation '+nope': Unknown command or category name in ACL. \
             f:1: Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
             effect. Try 'resetkeys' to start with an empty list of patterns. \
             f:2 should start with user keyword followed by the username. \
             WARNING: Duplicate user 'a' found on line 3. \
             f:4: Unmatched parenthesis in selector definition.\
             'f:5: username 'b\tc' contains invalid characters. \
             f:6 should start with user keyword followed by the username. \
             WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
        );
    }
}
