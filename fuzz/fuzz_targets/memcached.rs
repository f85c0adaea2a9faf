//! Any bytes, whole or in pieces (the first byte says how long), on a memcached connection: no panic, no endless turn, with and without a password.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie::clients::Wire;
use magpie::memcached::Session;
use magpie_fuzz::{client, converse, daemon};

fuzz_target!(|input: &[u8]| {
    let Some((&piece, bytes)) = input.split_first() else { return };
    for settings in [&[("max-item-size", "100000")], &[("requirepass", "secret")]] {
        let daemon = daemon(settings);
        let client = client(&daemon, Wire::Memcached);
        let mut session = Session::new(client.clone(), &daemon);
        converse(&daemon, bytes, piece, |context, input, out| session.feed(context, input, out));
        daemon.clients.forget(&client);
    }
});
