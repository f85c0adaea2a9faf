//! Passwords are kept as the SHA-256 of what was given, and shown as its hexadecimal digits.

use super::rule::RuleError;
use sha2::{Digest, Sha256};
use std::fmt;

/// The SHA-256 of a password.
#[derive(Clone, Copy)]
pub struct PasswordHash([u8; 32]);

impl PasswordHash {
    pub fn of(password: &[u8]) -> PasswordHash {
        PasswordHash(Sha256::digest(password).into())
    }

    /// From 64 digits, the letters small.
    ///
    /// # Errors
    /// `BadHash` for anything else.
    pub fn from_hex(text: &[u8]) -> Result<PasswordHash, RuleError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(RuleError::BadHash),
        };
        let text: &[u8; 64] = text.try_into().map_err(|_| RuleError::BadHash)?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(PasswordHash(hash))
    }
}

/// Takes the same time wherever two hashes differ.
impl PartialEq for PasswordHash {
    fn eq(&self, other: &PasswordHash) -> bool {
        let differences = self.0.iter().zip(&other.0).fold(0, |sum, (a, b)| sum | (a ^ b));
        std::hint::black_box(differences) == 0
    }
}

impl Eq for PasswordHash {}

impl fmt::Display for PasswordHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// Not even the hash goes into a log.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PasswordHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_sha256sum() {
        let hash = PasswordHash::of(b"password");
        let text = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
        assert_eq!(hash.to_string(), text);
        assert_eq!(PasswordHash::from_hex(text.as_bytes()), Ok(hash));
        assert_ne!(PasswordHash::of(b"Password"), hash);
    }

    #[test]
    fn only_small_digits_make_a_hash() {
        for wrong in ["", "5e88", &"A".repeat(64), &"g".repeat(64), &"a".repeat(65)] {
            assert_eq!(PasswordHash::from_hex(wrong.as_bytes()), Err(RuleError::BadHash), "{wrong}");
        }
    }
}
