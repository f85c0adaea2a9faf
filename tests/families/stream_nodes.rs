//! The nodes of a stream are those that Redis dumps, byte for byte, under the same master IDs.

use crate::support::Dice;
use crate::support::real_redis::{RealClient, RealRedis};
use crate::walk::from_environment;
use magpie::store::value::listpack::Listpack;
use magpie::store::value::stream::{Entries, Keep, NodeLimits, Pair, StreamId, Trim};

/// RDB's type of a stream in Redis 7.0.
const STREAM_LISTPACKS_2: u8 = 19;

type Nodes = Vec<(StreamId, Vec<u8>)>;

/// A length as RDB has it: six bits, fourteen, or a byte and thirty-two.
fn length(rest: &mut &[u8]) -> usize {
    let (len, size) = match rest[0] >> 6 {
        0 => (usize::from(rest[0]), 1),
        1 => (usize::from(rest[0] & 0x3F) << 8 | usize::from(rest[1]), 2),
        _ => (u32::from_be_bytes([rest[1], rest[2], rest[3], rest[4]]) as usize, 5),
    };
    *rest = &rest[size..];
    len
}

fn string(rest: &mut &[u8]) -> Vec<u8> {
    let len = length(rest);
    let (text, after) = rest.split_at(len);
    *rest = after;
    text.to_vec()
}

fn dumped(real: &mut RealClient) -> Nodes {
    let reply = real.call(&[b"DUMP", b"s"]);
    if reply == b"$-1\r\n" {
        return Vec::new();
    }
    let line = reply.iter().position(|&byte| byte == b'\n').expect("a reply has a line");
    let mut rest = &reply[line + 1..];
    assert_eq!(rest[0], STREAM_LISTPACKS_2);
    rest = &rest[1..];
    let count = length(&mut rest);
    let node = |_| {
        let master = string(&mut rest).try_into().expect("an ID has 16 bytes");
        (StreamId::from_bytes(master), string(&mut rest))
    };
    (0..count).map(node).collect()
}

fn value(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(5) {
        0 => vec![b'x'; dice.pick(&[0, 63, 64, 127, 128, 500, 4095, 4096, 5000])],
        1 => (dice.roll(1 << 30) as i64 - (1 << 29)).to_string().into(),
        2 => dice.roll(300).to_string().into(),
        _ => (0..dice.roll(12)).map(|_| b'a' + dice.roll(26) as u8).collect(),
    }
}

#[test]
fn nodes_are_those_of_redis_byte_for_byte() {
    let options = ["--rdbcompression", "no", "--stream-node-max-entries", "7"];
    let Some(real) = RealRedis::start("stream-nodes", &options) else { return };
    let mut real = real.connect();
    let limits = NodeLimits { bytes: 4096, entries: 7 };
    let mut dice = Dice(from_environment("MAGPIE_SEED", 0x57_4ea3));
    for _ in 0..from_environment("MAGPIE_STEPS", 20_000) / 200 {
        real.call(&[b"DEL", b"s"]);
        let mut entries = Entries::default();
        let mut id = StreamId::new(dice.roll(1 << 20) as u64, 1);
        for _ in 0..dice.roll(80) {
            if dice.chance(85) {
                let spread = dice.pick(&[1, 5, 1000, 1 << 30]);
                id = match dice.chance(40) {
                    true => StreamId::new(id.ms, id.seq + 1 + dice.roll(200) as u64),
                    false => StreamId::new(id.ms + 1 + dice.roll(spread) as u64, dice.roll(3) as u64),
                };
                let usual = dice.chance(70);
                let fields: &[&[u8]] = if usual { &[b"name", b"12"] } else { &[b"name", b"x", b"-7"] };
                let fields = &fields[..if usual { 2 } else { 1 + dice.roll(3) }];
                let values: Vec<Vec<u8>> = fields.iter().map(|_| value(&mut dice)).collect();
                let pairs: Vec<Pair<'_>> =
                    fields.iter().copied().zip(values.iter().map(Vec::as_slice)).collect();
                entries.append(id, &pairs, limits);
                let text = id.to_string();
                let mut command: Vec<&[u8]> = vec![b"XADD", b"s", text.as_bytes()];
                pairs.iter().for_each(|&(field, value)| command.extend([field, value]));
                real.call(&command);
            } else if dice.chance(70) {
                let all: Vec<StreamId> =
                    entries.range(StreamId::MIN, StreamId::MAX).map(|item| item.id).collect();
                let Some(&gone) = all.get(dice.roll(all.len().max(1))) else { continue };
                entries.delete(&[gone]);
                real.call(&[b"XDEL", b"s", gone.to_string().as_bytes()]);
            } else {
                let most = dice.roll(30) as u64;
                entries.trim(Trim { keep: Keep::Last(most), approximately: false, limit: 0 });
                real.call(&[b"XTRIM", b"s", b"MAXLEN", most.to_string().as_bytes()]);
            }
        }
        let theirs = dumped(&mut real);
        let ours: Nodes =
            entries.nodes().map(|(&id, node)| (id, node.listpack().as_bytes().to_vec())).collect();
        assert_eq!(ours, theirs);
        let packs: Option<Vec<_>> =
            theirs.into_iter().map(|(id, bytes)| Some((id, Listpack::from_bytes(bytes)?))).collect();
        let read = packs.and_then(Entries::from_nodes).expect("Redis' nodes are sound");
        assert_eq!((read.len(), read.first_id()), (entries.len(), entries.first_id()));
    }
}
