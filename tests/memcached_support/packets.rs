//! Packets of memcached's binary protocol, written and read.

pub const GET: u8 = 0x00;
pub const SET: u8 = 0x01;
pub const ADD: u8 = 0x02;
pub const REPLACE: u8 = 0x03;
pub const DELETE: u8 = 0x04;
pub const INCREMENT: u8 = 0x05;
pub const DECREMENT: u8 = 0x06;
pub const QUIT: u8 = 0x07;
pub const FLUSH: u8 = 0x08;
pub const GETQ: u8 = 0x09;
pub const NOOP: u8 = 0x0a;
pub const VERSION: u8 = 0x0b;
pub const GETK: u8 = 0x0c;
pub const GETKQ: u8 = 0x0d;
pub const APPEND: u8 = 0x0e;
pub const PREPEND: u8 = 0x0f;
pub const STAT: u8 = 0x10;
pub const SETQ: u8 = 0x11;
pub const ADDQ: u8 = 0x12;
pub const REPLACEQ: u8 = 0x13;
pub const DELETEQ: u8 = 0x14;
pub const INCREMENTQ: u8 = 0x15;
pub const DECREMENTQ: u8 = 0x16;
pub const QUITQ: u8 = 0x17;
pub const FLUSHQ: u8 = 0x18;
pub const APPENDQ: u8 = 0x19;
pub const PREPENDQ: u8 = 0x1a;
pub const VERBOSITY: u8 = 0x1b;
pub const TOUCH: u8 = 0x1c;
pub const GAT: u8 = 0x1d;
pub const GATQ: u8 = 0x1e;
pub const SASL_LIST: u8 = 0x20;
pub const SASL_AUTH: u8 = 0x21;
pub const SASL_STEP: u8 = 0x22;
pub const GATK: u8 = 0x23;
pub const GATKQ: u8 = 0x24;

/// Opcodes that begin like `set`: extras of flags and expiration.
pub const STORES: [u8; 6] = [SET, ADD, REPLACE, SETQ, ADDQ, REPLACEQ];

/// A request, before its lengths are counted.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub opcode: u8,
    pub key: Vec<u8>,
    pub extras: Vec<u8>,
    pub value: Vec<u8>,
    pub opaque: u32,
    pub cas: u64,
}

pub fn request(opcode: u8) -> Request {
    Request { opcode, opaque: 0xdead_beef, ..Request::default() }
}

impl Request {
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Request {
        self.key = key.as_ref().to_vec();
        self
    }

    pub fn extras(mut self, extras: impl AsRef<[u8]>) -> Request {
        self.extras = extras.as_ref().to_vec();
        self
    }

    pub fn value(mut self, value: impl AsRef<[u8]>) -> Request {
        self.value = value.as_ref().to_vec();
        self
    }

    pub fn cas(mut self, cas: u64) -> Request {
        self.cas = cas;
        self
    }

    pub fn opaque(mut self, opaque: u32) -> Request {
        self.opaque = opaque;
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x80, self.opcode];
        let body = self.extras.len() + self.key.len() + self.value.len();
        bytes.extend(u16::try_from(self.key.len()).expect("a key of 16 bits").to_be_bytes());
        bytes.push(u8::try_from(self.extras.len()).expect("extras of 8 bits"));
        bytes.extend([0, 0, 0]);
        bytes.extend(u32::try_from(body).expect("a body of 32 bits").to_be_bytes());
        bytes.extend(self.opaque.to_be_bytes());
        bytes.extend(self.cas.to_be_bytes());
        [bytes, self.extras.clone(), self.key.clone(), self.value.clone()].concat()
    }
}

/// Any of `set`'s kin.
pub fn store(opcode: u8, key: &str, flags: u32, expiration: u32, value: &str) -> Request {
    request(opcode).key(key).extras([flags.to_be_bytes(), expiration.to_be_bytes()].concat()).value(value)
}

/// Any of `increment`'s kin.
pub fn count(opcode: u8, key: &str, delta: u64, initial: u64, expiration: u32) -> Request {
    let extras = [&delta.to_be_bytes()[..], &initial.to_be_bytes(), &expiration.to_be_bytes()].concat();
    request(opcode).key(key).extras(extras)
}

/// `touch`, and any of `gat`'s kin.
pub fn touch(opcode: u8, key: &str, expiration: u32) -> Request {
    request(opcode).key(key).extras(expiration.to_be_bytes())
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub opcode: u8,
    pub status: u16,
    pub extras: Vec<u8>,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub opaque: u32,
    pub cas: u64,
}

impl Reply {
    /// In one line: opcode, status, what there is of the rest.
    pub fn show(&self) -> String {
        let mut text = format!("{:02x} {:02x}", self.opcode, self.status);
        for (name, part) in [("extras", &self.extras), ("key", &self.key), ("value", &self.value)] {
            if !part.is_empty() {
                text += &format!(" {name}={}", part[..part.len().min(80)].escape_ascii());
            }
        }
        text
    }
}

/// Cuts replies off the front of `bytes`; gives those that are whole.
///
/// # Panics
/// These are no replies.
pub fn replies(bytes: &[u8]) -> (Vec<Reply>, &[u8]) {
    let mut replies = Vec::new();
    let mut rest = bytes;
    while let Some((head, body)) = rest.split_first_chunk::<24>() {
        assert_eq!((head[0], head[5]), (0x81, 0), "a reply: {:?}", head.escape_ascii().to_string());
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (key, length) = (usize::from(u16::from_be_bytes([head[2], head[3]])), word(8) as usize);
        let Some((body, after)) = body.split_at_checked(length) else { break };
        let (extras, body) = body.split_at(head[4].into());
        let (key, value) = body.split_at(key);
        replies.push(Reply {
            opcode: head[1],
            status: u16::from_be_bytes([head[6], head[7]]),
            extras: extras.to_vec(),
            key: key.to_vec(),
            value: value.to_vec(),
            opaque: word(12),
            cas: u64::from(word(16)) << 32 | u64::from(word(20)),
        });
        rest = after;
    }
    (replies, rest)
}
