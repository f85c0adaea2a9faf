//! The patterns of BY and GET: `weight_*` is a key for each element, `object_*->name` a field of a hash.

use super::{Ctx, lookup};
use crate::store::value::hash::Hash;
use bytes::Bytes;
use memchr::memchr;
use memchr::memmem;

#[derive(Clone, Copy, Debug)]
pub(super) enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// No `*`: finds nothing.
    Fixed,
    Key {
        before: &'a [u8],
        after: &'a [u8],
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    pub(super) fn new(text: &'a [u8]) -> Pattern<'a> {
        let Some(star) = memchr(b'*', text) else {
            return if text == b"#" { Pattern::Element } else { Pattern::Fixed };
        };
        let (before, after) = (&text[..star], &text[star + 1..]);
        // An arrow with nothing behind it belongs to the key.
        match memmem::find(after, b"->").filter(|&arrow| arrow + 2 < after.len()) {
            Some(arrow) => Pattern::Key { before, after: &after[..arrow], field: Some(&after[arrow + 2..]) },
            None => Pattern::Key { before, after, field: None },
        }
    }

    /// Does it stand for a key of every element?
    pub(super) fn is_variable(self) -> bool {
        matches!(self, Pattern::Key { .. })
    }

    /// The value for an element; `None` also where a key has another type.
    pub(super) fn look_up(self, ctx: &mut Ctx<'_>, element: &Bytes) -> Option<Bytes> {
        let (before, after, field) = match self {
            Pattern::Element => return Some(element.clone()),
            Pattern::Fixed => return None,
            Pattern::Key { before, after, field } => (before, after, field),
        };
        let key = [before, element, after].concat();
        let now = ctx.now;
        let mut entry = ctx.db.entry(&key);
        let item = lookup::read(ctx.counters, &mut entry)?;
        match field {
            None => item.string().map(Bytes::copy_from_slice),
            Some(field) => {
                let hash = entry.collection::<Hash>().ok()??;
                hash.get(field, now).map(|value| Bytes::copy_from_slice(&value.to_text()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_taken_apart_as_redis_takes_them() {
        let parts = |text: &'static str| match Pattern::new(text.as_bytes()) {
            Pattern::Key { before, after, field } => Some((before, after, field)),
            _ => None,
        };
        assert_eq!(parts("w_*"), Some((&b"w_"[..], &b""[..], None)));
        assert_eq!(parts("o_*_x->f"), Some((&b"o_"[..], &b"_x"[..], Some(&b"f"[..]))));
        assert_eq!(parts("a->b*->c->d*"), Some((&b"a->b"[..], &b""[..], Some(&b"c->d*"[..]))));
        assert_eq!(parts("o_*->"), Some((&b"o_"[..], &b"->"[..], None)));
        assert_eq!(parts("nosort"), None);
        assert!(matches!(Pattern::new(b"#"), Pattern::Element));
        assert!(matches!(Pattern::new(b"x"), Pattern::Fixed));
    }
}
