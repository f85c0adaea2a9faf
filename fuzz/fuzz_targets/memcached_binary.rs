//! Packets of memcached's binary protocol, whole or in pieces: no panic, no endless turn, with and without a password.
//! The input is what a client sends; but the magic, of which random bytes rarely come up with, is put in its place in
//! the first packets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie::clients::Wire;
use magpie::memcached::Session;
use magpie_fuzz::{client, converse, daemon};

const HEADER: usize = 24;

fuzz_target!(|input: &[u8]| {
    let Some((&piece, bytes)) = input.split_first() else { return };
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(header) = bytes.get_mut(at..at + HEADER) {
        header[0] = 0x80;
        (header[2], header[8], header[9]) = (0, 0, 0); // keys and bodies that may fit into an input
        let length = usize::from(u16::from_be_bytes([header[10], header[11]]));
        at += HEADER + length;
    }
    for settings in [&[("max-item-size", "2000")], &[("requirepass", "secret")]] {
        let daemon = daemon(settings);
        let client = client(&daemon, Wire::Memcached);
        let mut session = Session::new(client.clone(), &daemon);
        converse(&daemon, &bytes, piece, |context, input, out| session.feed(context, input, out));
        daemon.clients.forget(&client);
    }
});
