//! Any bytes, whole or in pieces (the first byte says how long), on a RESP connection: no panic, no endless turn, with and without a password.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie::clients::Wire;
use magpie::commands::Session;
use magpie_fuzz::{START, client, converse, daemon};

fuzz_target!(|input: &[u8]| {
    let Some((&piece, bytes)) = input.split_first() else { return };
    let settings: &[&[(&str, &str)]] = &[
        &[("enable-debug-command", "yes")],
        &[("requirepass", "secret")],
        &[("maxmemory-policy", "noeviction")],
    ];
    for settings in settings {
        let daemon = daemon(settings);
        let client = client(&daemon, Wire::Resp);
        let mut session = Session::new(client.clone(), &daemon);
        converse(&daemon, bytes, piece, |context, input, out| session.feed(context, input, out));
        session.close(&daemon, START);
        daemon.clients.forget(&client);
    }
});
