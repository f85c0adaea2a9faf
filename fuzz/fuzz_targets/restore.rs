//! Any bytes as the type and value of a payload, under a checksum that is right: RESTORE refuses them, or there
//! is a value that can be dumped and restored once more.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie::clients::Wire;
use magpie::commands::Session;
use magpie::rdb;
use magpie_fuzz::{START, client, converse, daemon};

fn request(args: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend(format!("${}\r\n", arg.len()).bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fuzz_target!(|body: &[u8]| {
    let daemon = daemon(&[]);
    let client = client(&daemon, Wire::Resp);
    let mut session = Session::new(client.clone(), &daemon);
    let payload = rdb::seal(body.to_vec(), 10);
    let requests = [
        request(&[b"RESTORE", b"k", b"0", &payload]),
        request(&[b"OBJECT", b"ENCODING", b"k"]),
        request(&[b"MEMORY", b"USAGE", b"k"]),
    ];
    converse(&daemon, &requests.concat(), 0, |context, input, out| session.feed(context, input, out));
    let mut db = daemon.store.db(0, START);
    let dumped = db.entry(b"k").item().map(|item| rdb::dump(&item, true));
    if let Some(dumped) = dumped {
        converse(
            &daemon,
            &request(&[b"RESTORE", b"k", b"0", &dumped, b"REPLACE"]),
            0,
            |context, input, out| session.feed(context, input, out),
        );
        let again = db.entry(b"k").item().map(|item| rdb::dump(&item, true));
        assert!(again.is_some(), "what was dumped is refused");
    }
    session.close(&daemon, START);
    daemon.clients.forget(&client);
});
