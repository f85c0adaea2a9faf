//! Readers that wait for streams, as Redis 7.2 serves them.

use crate::support::{Peer, Resp, daemon};
use magpie::clock::{Clock, Millis};

/// One connection that waits, and one that does something.
struct Scene<'d> {
    reader: Resp<'d>,
    other: Resp<'d>,
}

impl<'d> Scene<'d> {
    fn new(daemon: &'d magpie::daemon::Daemon) -> Scene<'d> {
        let mut scene = Scene { reader: Resp::connect(daemon), other: Resp::connect(daemon) };
        assert_eq!(scene.other.ask("XGROUP CREATE s g $ MKSTREAM"), "+OK\r\n");
        scene
    }

    /// Has the reader wait; returns what it is told when the other has given its commands.
    fn told(&mut self, reads: &str, commands: &[&str]) -> String {
        assert_eq!(self.reader.ask(reads), "", "{reads} waits");
        for command in commands {
            self.other.ask(command);
        }
        arrived(&mut self.reader)
    }
}

fn arrived(reader: &mut Resp<'_>) -> String {
    String::from_utf8(reader.send(b"")).expect("the tests' streams hold text")
}

const NEW: &str = "XREADGROUP GROUP g alice BLOCK 0 STREAMS s >";
const ENTRY: &str = "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n5-1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n";
const NO_GROUP: &str = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n";

#[test]
fn a_new_entry_comes_to_all_who_read_and_to_one_of_a_group() {
    let daemon = daemon(&[]);
    let mut scene = Scene::new(&daemon);
    let [mut plain, mut alice, mut bob] = [0; 3].map(|_| Resp::connect(&daemon));
    assert_eq!(plain.ask("XREAD BLOCK 0 STREAMS s $"), "");
    assert_eq!(alice.ask(NEW), "");
    assert_eq!(bob.ask(&NEW.replace("alice", "bob")), "");
    assert_eq!(scene.other.ask("XADD s 5-1 a b"), "$3\r\n5-1\r\n");
    assert_eq!(arrived(&mut plain), ENTRY);
    assert_eq!(arrived(&mut alice), ENTRY);
    assert_eq!(arrived(&mut bob), "", "in order of arrival");
    scene.other.ask("XADD s 5-2 a b");
    assert_eq!(arrived(&mut bob), ENTRY.replace("5-1", "5-2"));
    let pending = scene.other.ask("XPENDING s g");
    assert!(pending.starts_with("*4\r\n:2\r\n"), "{pending}");
}

#[test]
fn what_dollar_means_does_not_move_while_one_waits() {
    let daemon = daemon(&[]);
    let mut scene = Scene::new(&daemon);
    scene.other.ask("XADD s 4-1 a b");
    assert_eq!(scene.told("XREAD COUNT 10 BLOCK 0 STREAMS missing s $ $", &["XADD s 5-1 a b"]), ENTRY);
    let first = ENTRY.replace("$1\r\ns", "$4\r\nlate");
    assert_eq!(scene.told("XREAD BLOCK 0 STREAMS s late $ $", &["XADD late 5-1 a b"]), first);
}

#[test]
fn entries_of_one_transaction_come_together() {
    let daemon = daemon(&[]);
    let mut scene = Scene::new(&daemon);
    let told = scene.told(NEW, &["MULTI", "XADD s 5-1 a b", "XADD s 5-2 a b", "EXEC"]);
    assert!(told.starts_with("*1\r\n*2\r\n$1\r\ns\r\n*2\r\n"), "{told}");
    // An entry that does not live to the end of its transaction was never there.
    assert_eq!(scene.told(NEW, &["MULTI", "XADD s 6-1 a b", "XDEL s 6-1", "EXEC"]), "");
}

#[test]
fn a_consumer_learns_that_its_group_is_gone() {
    for (commands, reply) in [
        (&["DEL s"][..], NO_GROUP),
        (&["UNLINK s"], NO_GROUP),
        (&["FLUSHALL"], NO_GROUP),
        (&["RENAME s t"], NO_GROUP),
        (&["XGROUP DESTROY s g"], NO_GROUP),
        (&["MULTI", "DEL s", "XADD s 5-1 a b", "EXEC"], NO_GROUP),
        (&["SET s text"], "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        (&["XGROUP CREATE other g $ MKSTREAM", "XADD other 5-1 a b", "COPY other s REPLACE"], ENTRY),
        (&["MULTI", "DEL s", "XGROUP CREATE s g 0 MKSTREAM", "XADD s 5-1 a b", "EXEC"], ENTRY),
    ] {
        let daemon = daemon(&[]);
        let told = Scene::new(&daemon).told(NEW, commands);
        assert_eq!(told, reply, "{commands:?}");
    }
}

#[test]
fn who_only_reads_waits_for_a_stream_to_come_back() {
    for commands in [&["DEL s"][..], &["SET s text"], &["XGROUP DESTROY s g"], &["FLUSHALL"]] {
        let daemon = daemon(&[]);
        let mut scene = Scene::new(&daemon);
        assert_eq!(scene.told("XREAD BLOCK 0 STREAMS s $", commands), "", "{commands:?}");
        scene.other.ask("DEL s");
        scene.other.ask("XADD s 5-1 a b");
        assert_eq!(arrived(&mut scene.reader), ENTRY, "{commands:?}");
    }
}

#[test]
fn nothing_but_entries_wakes_a_reader() {
    let daemon = daemon(&[]);
    let mut scene = Scene::new(&daemon);
    scene.other.ask("XADD s 1-1 a b");
    scene.other.ask("XGROUP SETID s g $");
    let commands = ["XGROUP DELCONSUMER s g alice", "XGROUP SETID s g 0", "XDEL s 1-1", "XSETID s 4-1"];
    assert_eq!(scene.told(NEW, &commands), "");
    assert_eq!(scene.other.ask("XINFO CONSUMERS s g"), "*0\r\n", "nor is a deleted consumer back");
    scene.other.ask("XADD s 5-1 a b");
    assert_eq!(arrived(&mut scene.reader), ENTRY);
    let consumers = scene.other.ask("XINFO CONSUMERS s g");
    assert!(consumers.contains("alice"), "{consumers}");
}

#[test]
fn a_wait_ends_with_its_time_or_with_client_unblock() {
    let daemon = daemon(&[]);
    let mut scene = Scene::new(&daemon);
    let start = Clock::default().now();
    for reads in ["XREAD BLOCK 50 STREAMS s $", "XREADGROUP GROUP g alice BLOCK 50 STREAMS s >"] {
        scene.reader.set_now(start);
        assert_eq!(scene.reader.ask(reads), "");
        scene.reader.set_now(Millis(start.0 + 49));
        assert_eq!(arrived(&mut scene.reader), "");
        scene.reader.set_now(Millis(start.0 + 51));
        assert_eq!(arrived(&mut scene.reader), "*-1\r\n", "{reads}");
    }
    for (how, reply) in [
        ("", "*-1\r\n"),
        (" TIMEOUT", "*-1\r\n"),
        (" ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"),
    ] {
        assert_eq!(scene.reader.ask(NEW), "");
        let id = scene.reader.client.id;
        assert_eq!(scene.other.ask(&format!("CLIENT UNBLOCK {id}{how}")), ":1\r\n");
        scene.reader.deliver();
        assert_eq!(arrived(&mut scene.reader), reply);
    }
}
