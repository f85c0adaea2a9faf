//! Redis' glob, for `KEYS`, `SCAN MATCH`, `CONFIG GET`, `PSUBSCRIBE` and ACL patterns: `*`, `?`,
//! `[abc]`, `[a-z]`, `[^a-z]`, and `\` before a character that means itself. The meaning, quirks
//! included, is that of `stringmatchlen` in Redis' `src/util.c`; `tests/glob.rs` compares the two.
//!
//! Every part of a pattern but `*` stands for exactly one byte. So it is enough to come back to the
//! last `*` when something does not fit: the time is at most pattern × text, and nothing recurses.
//!
//! Differs: a pattern with more than a thousand `*` matches here as it should; Redis gives up.

/// Does the pattern match the whole text? `O(pattern × text)`.
pub fn matches(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    let (mut pattern_at, mut text_at) = (0, 0);
    // Where to go on after the last `*`, and how far its match reached.
    let mut star: Option<(usize, usize)> = None;
    while text_at < text.len() {
        if pattern.get(pattern_at) == Some(&b'*') {
            pattern_at += 1;
            star = Some((pattern_at, text_at));
            if pattern_at == pattern.len() {
                return true;
            }
            continue;
        }
        if let Some(next) = match_one(&pattern[pattern_at..], text[text_at], ignore_case) {
            pattern_at += next;
            text_at += 1;
        } else if let Some((after_star, reached)) = &mut star {
            *reached += 1;
            (pattern_at, text_at) = (*after_star, *reached);
        } else {
            return false;
        }
    }
    // Redis' quirk: a `*` does not match an empty text, only nothing at the end of a longer one.
    let rest = &pattern[pattern_at..];
    rest.iter().all(|&byte| byte == b'*') && (!text.is_empty() || rest.is_empty())
}

/// Matches the pattern's first part against one byte; gives the part's length.
fn match_one(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (fits, length) = match_class(class, byte, ignore_case);
            fits.then_some(1 + length)
        }
        [b'\\', literal, ..] => same(*literal, byte, ignore_case).then_some(2),
        [literal, ..] => same(*literal, byte, ignore_case).then_some(1),
    }
}

/// `class` begins behind the `[`. One that is not closed ends with the pattern. Gives whether the
/// byte fits, and the length of the class with its `]`.
fn match_class(class: &[u8], byte: u8, ignore_case: bool) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut fits = false;
    loop {
        match class[at..] {
            [] => break,
            [b'\\', literal, ..] => {
                at += 2;
                fits |= literal == byte;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [start, b'-', end, ..] => {
                at += 3;
                fits |= in_range(start, end, byte, ignore_case);
            }
            [literal, ..] => {
                at += 1;
                fits |= same(literal, byte, ignore_case);
            }
        }
    }
    (fits != negated, at)
}

/// The bounds may come in either order. They are put into order before letters lose their case, and
/// bytes are signed, as C's `char` is on the platforms that Redis' answers are known from.
fn in_range(start: u8, end: u8, byte: u8, ignore_case: bool) -> bool {
    let signed = |byte: u8| byte as i8;
    let (mut low, mut high) = (start, end);
    if signed(low) > signed(high) {
        (low, high) = (high, low);
    }
    let fold = |byte: u8| signed(if ignore_case { byte.to_ascii_lowercase() } else { byte });
    (fold(low)..=fold(high)).contains(&fold(byte))
}

fn same(a: u8, b: u8, ignore_case: bool) -> bool {
    a == b || ignore_case && a.eq_ignore_ascii_case(&b)
}

#[cfg(test)]
mod tests {
    use super::matches;
    use proptest::prelude::*;

    fn matched(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes(), false)
    }

    #[test]
    fn each_sign_means_what_it_means_in_redis() {
        for (pattern, text, expected) in [
            ("*", "anything", true),
            ("**", "anything", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h*llo", "hllo", true),
            ("h*llo*", "hllo", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxxcx", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            ("[a-]", "a", true),
            ("[]", "a", false),
            ("[^]", "a", true),
            ("[^", "a", true),
            ("[", "a", false),
            ("[abc", "c", true),
            ("[\\]]", "]", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
            ("\\\\", "\\", true),
            ("", "", true),
            ("", "a", false),
            ("a", "", false),
        ] {
            assert_eq!(matched(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn case_is_ignored_when_asked() {
        assert!(matches(b"MaxMem*", b"maxmemory", true));
        assert!(matches(b"[A-C]x", b"bX", true));
        assert!(!matches(b"MaxMem*", b"maxmemory", false));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "a*".repeat(60_000) + "b";
        let text = "a".repeat(60_000);
        assert!(!matched(&pattern, &text));
        let pattern = "*a".repeat(30) + "b";
        assert!(!matched(&pattern, &"a".repeat(100_000)));
    }

    /// The plain definition, by recursion: exponential, but easy to believe.
    fn defined(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|skipped| defined(rest, &text[skipped..], ignore_case)),
            _ => text.split_first().is_some_and(|(first, text)| {
                super::match_one(pattern, *first, ignore_case)
                    .is_some_and(|length| defined(&pattern[length..], text, ignore_case))
            }),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_definition(
            pattern in "[ab*?\\[\\]^\\\\A-]{0,9}",
            text in "[abAB]{1,8}",
            ignore_case: bool,
        ) {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(
                matches(pattern, text, ignore_case),
                defined(pattern, text, ignore_case)
            );
        }

        #[test]
        fn any_text_matches_itself_escaped(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let escaped: Vec<u8> = text.iter().flat_map(|&byte| [b'\\', byte]).collect();
            prop_assert!(matches(&escaped, &text, false));
        }

        #[test]
        fn no_input_panics(
            pattern in prop::collection::vec(any::<u8>(), 0..60),
            text in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let _ = matches(&pattern, &text, true);
        }
    }
}
