//! The recorded traces, read through `xz`.

use magpie::clock::Millis;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

const START: u64 = 1_790_000_000_000;

/// One request: when, for which object (numbered from 0 in order of appearance), of how many bytes.
#[derive(Clone, Copy)]
pub struct Request {
    pub at: Millis,
    pub id: u32,
    pub size: u32,
}

pub struct Trace {
    pub name: &'static str,
    pub requests: Vec<Request>,
    pub objects: usize,
    /// Of all distinct objects.
    pub bytes: u64,
}

impl Trace {
    /// From (time in ms from the start, id, size).
    fn new(name: &'static str, requests: impl Iterator<Item = (u64, u64, u32)>) -> Trace {
        let (mut numbers, mut bytes) = (HashMap::new(), 0);
        let requests = requests
            .map(|(ms, id, size)| {
                let next = numbers.len() as u32;
                let &mut (id, size) = numbers.entry(id).or_insert_with(|| {
                    bytes += u64::from(size);
                    (next, size)
                });
                Request { at: Millis(START + ms), id, size }
            })
            .collect();
        Trace { name, requests, objects: numbers.len(), bytes }
    }
}

fn unpack(file: &str) -> Result<Vec<u8>, String> {
    let folder = std::env::var_os("MAGPIE_TRACES")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/traces"), PathBuf::from);
    let path = folder.join(file);
    if !path.is_file() {
        return Err(format!("{} is not there", folder.join(file).display()));
    }
    let output = Command::new("xz").arg("-dc").arg(&path).output().map_err(|error| format!("xz: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(output.stdout)
}

/// All traces. Only the CDN's has times: the shop's pages are asked for once a second (they cover a day), the
/// ORM's objects as often as makes five million an hour.
pub fn all() -> Result<Vec<Trace>, String> {
    let numbers = |bytes: Vec<u8>, of: fn([u8; 4]) -> u32| -> Vec<u64> {
        bytes.chunks_exact(4).map(|chunk| of(chunk.try_into().expect("four bytes")).into()).collect()
    };
    let web = numbers(unpack("web07.trace.xz")?, u32::from_be_bytes);
    let orm = numbers(unpack("orm-busy.trace.xz")?, u32::from_le_bytes);
    let cdn = String::from_utf8(unpack("cdn-sizes.trace.xz")?).map_err(|error| error.to_string())?;
    let cdn = cdn.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().map(str::parse::<u64>);
        let mut next = || fields.next()?.ok();
        Some((next()? * 1000, next()?, next()?.max(1) as u32))
    });
    let evenly = |ids: Vec<u64>, every_us: u64| {
        ids.into_iter().enumerate().map(move |(n, id)| (n as u64 * every_us / 1000, id, 1))
    };
    Ok(vec![
        Trace::new("web07", evenly(web, 1_000_000)),
        Trace::new("cdn-sizes", cdn),
        Trace::new("orm-busy 250k", evenly(orm[..250_000.min(orm.len())].to_vec(), 720)),
    ])
}
