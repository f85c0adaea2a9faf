//! Replies, written straight into the output buffer in the version the client chose with `HELLO`.
//! What RESP2 has no type for is written as Redis writes it there.

use crate::double;
use crate::wire::{Out, Short};
use bytes::Bytes;

/// Writes replies of one client.
pub struct Reply<'o> {
    out: &'o mut Out,
    resp3: bool,
}

impl<'o> Reply<'o> {
    pub fn new(out: &'o mut Out, resp3: bool) -> Reply<'o> {
        Reply { out, resp3 }
    }

    pub fn is_resp3(&self) -> bool {
        self.resp3
    }

    /// From the next reply on.
    pub fn set_resp3(&mut self, resp3: bool) {
        self.resp3 = resp3;
    }

    pub fn out(&mut self) -> &mut Out {
        self.out
    }

    #[inline]
    fn head(&mut self, kind: u8, n: impl itoa::Integer) {
        self.out.put_u8(kind);
        self.out.put_int(n);
        self.out.put(b"\r\n");
    }

    #[inline]
    pub fn ok(&mut self) {
        self.out.put(b"+OK\r\n");
    }

    pub fn simple(&mut self, text: impl AsRef<[u8]>) {
        self.out.put_u8(b'+');
        self.out.put(text.as_ref());
        self.out.put(b"\r\n");
    }

    /// An error; `text` begins with its code. Line ends in what it quotes become blanks, those at its end go.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let len = text.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
        self.out.put_u8(b'-');
        for &byte in &text[..len] {
            self.out.put_u8(if byte == b'\r' || byte == b'\n' { b' ' } else { byte });
        }
        self.out.put(b"\r\n");
    }

    #[inline]
    pub fn int(&mut self, n: impl itoa::Integer) {
        self.head(b':', n);
    }

    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        match u32::try_from(bytes.len()) {
            Ok(len) => self.out.put_short(&Short::new().byte(b'$').number(len).line_end()),
            Err(_) => self.head(b'$', bytes.len()),
        }
        self.out.put(bytes);
        self.out.put(b"\r\n");
    }

    /// A large value, not copied.
    pub fn shared(&mut self, bytes: &Bytes) {
        self.head(b'$', bytes.len());
        self.out.put_shared(bytes);
        self.out.put(b"\r\n");
    }

    #[inline]
    pub fn nil(&mut self) {
        self.out.put(if self.resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// Nothing where an array was due (`EXEC` that failed, a blocking pop that timed out).
    pub fn nil_array(&mut self) {
        self.out.put(if self.resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    #[inline]
    pub fn array(&mut self, len: usize) {
        self.head(b'*', len);
    }

    /// A map of `pairs` keys, each with its value behind it.
    pub fn map(&mut self, pairs: usize) {
        if self.resp3 { self.head(b'%', pairs) } else { self.head(b'*', pairs * 2) }
    }

    pub fn set(&mut self, len: usize) {
        self.head(if self.resp3 { b'~' } else { b'*' }, len);
    }

    /// A message that answers no request.
    pub fn push(&mut self, len: usize) {
        self.head(if self.resp3 { b'>' } else { b'*' }, len);
    }

    pub fn bool(&mut self, value: bool) {
        match (self.resp3, value) {
            (true, true) => self.out.put(b"#t\r\n"),
            (true, false) => self.out.put(b"#f\r\n"),
            (false, value) => self.int(u8::from(value)),
        }
    }

    pub fn double(&mut self, value: f64) {
        self.double_as(&double::text(value));
    }

    /// A double that is already printed.
    pub fn double_as(&mut self, text: &str) {
        if self.resp3 {
            self.out.put_u8(b',');
            self.out.put(text.as_bytes());
            self.out.put(b"\r\n");
        } else {
            self.bulk(text.as_bytes());
        }
    }

    /// Text for people; `txt` is its format in RESP3.
    pub fn verbatim(&mut self, text: &str) {
        self.verbatim_as(b"txt", text.as_bytes());
    }

    /// Text in a format that is named by three bytes in RESP3: what is longer is cut, what is shorter filled up.
    pub fn verbatim_as(&mut self, format: &[u8], text: &[u8]) {
        if self.resp3 {
            let mut name = *b"   ";
            let len = format.len().min(name.len());
            name[..len].copy_from_slice(&format[..len]);
            self.head(b'=', text.len() + 4);
            self.out.put(&name);
            self.out.put_u8(b':');
            self.out.put(text);
            self.out.put(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    /// An integer of any length, as digits.
    pub fn big_number(&mut self, digits: &[u8]) {
        if self.resp3 {
            self.out.put_u8(b'(');
            self.out.put(digits);
            self.out.put(b"\r\n");
        } else {
            self.bulk(digits);
        }
    }

    /// An array whose length is known only after it was written: `write` returns it. Costs a copy.
    pub fn array_of(&mut self, write: impl FnOnce(&mut Reply<'_>) -> usize) {
        let mut body = Out::new();
        let len = write(&mut Reply::new(&mut body, self.resp3));
        self.array(len);
        self.out.put(&body.to_vec());
    }

    pub fn bulks<'b>(&mut self, items: impl ExactSizeIterator<Item = &'b [u8]>) {
        self.array(items.len());
        for item in items {
            self.bulk(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(resp3: bool, write: impl FnOnce(&mut Reply<'_>)) -> String {
        let mut out = Out::new();
        write(&mut Reply::new(&mut out, resp3));
        String::from_utf8(out.to_vec()).expect("tests write text")
    }

    #[test]
    fn resp2_has_its_own_forms() {
        let all = |reply: &mut Reply<'_>| {
            reply.nil();
            reply.nil_array();
            reply.map(1);
            reply.set(2);
            reply.push(1);
            reply.bool(true);
            reply.double(1.5);
            reply.verbatim("hi");
        };
        assert_eq!(written(false, all), "$-1\r\n*-1\r\n*2\r\n*2\r\n*1\r\n:1\r\n$3\r\n1.5\r\n$2\r\nhi\r\n");
        assert_eq!(written(true, all), "_\r\n_\r\n%1\r\n~2\r\n>1\r\n#t\r\n,1.5\r\n=6\r\ntxt:hi\r\n");
    }

    #[test]
    fn an_error_stays_on_one_line() {
        assert_eq!(written(false, |reply| reply.error("ERR 'a\r\nb'")), "-ERR 'a  b'\r\n");
    }
}
