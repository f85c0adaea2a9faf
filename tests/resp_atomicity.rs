//! Several threads at once, as the workers of the daemon: nobody sees a command over several keys, or a
//! transaction, half done; and nobody waits for ever.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Resp, daemon};

/// Does `work` until the time is over; gives how often.
fn repeat(stop: &AtomicBool, mut work: impl FnMut(usize)) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        work(count);
        count += 1;
    }
    count
}

/// The two replies of a pair are the same.
fn assert_pair(reply: &str) {
    let body = reply.split_once("*2\r\n").expect("two values").1;
    let (first, second) = body.split_at(body.len() / 2);
    assert_eq!(first, second, "{reply:?}");
}

#[test]
fn pairs_that_are_written_together_are_read_together() {
    let daemon = daemon(&[]);
    let stop = AtomicBool::new(false);
    let counts = std::thread::scope(|scope| {
        let writers = [1, 2].map(|which| {
            let (daemon, stop) = (&daemon, &stop);
            scope.spawn(move || {
                let mut peer = Resp::connect(daemon);
                repeat(stop, |n| {
                    let value = which * 1_000_000 + n;
                    match n % 4 {
                        0 => drop(peer.ask("MULTI")),
                        _ => assert_eq!(peer.ask(&format!("MSET x {value} y {value}")), "+OK\r\n"),
                    }
                    if n % 4 == 0 {
                        peer.ask(&format!("SET x {value}"));
                        peer.ask(&format!("SET y {value}"));
                        assert_eq!(peer.ask("EXEC"), "*2\r\n+OK\r\n+OK\r\n");
                    }
                })
            })
        });
        let readers = [0, 1].map(|which| {
            let (daemon, stop) = (&daemon, &stop);
            scope.spawn(move || {
                let mut peer = Resp::connect(daemon);
                repeat(stop, |_| {
                    if which == 0 {
                        assert_pair(&peer.ask("MGET x y"));
                    } else {
                        for words in ["MULTI", "GET x", "GET y"] {
                            peer.ask(words);
                        }
                        assert_pair(&peer.ask("EXEC"));
                    }
                })
            })
        });
        let upheaval = scope.spawn(|| {
            let mut peer = Resp::connect(&daemon);
            repeat(&stop, |n| match n % 6 {
                0 => assert_eq!(peer.ask("FLUSHALL"), "+OK\r\n"),
                1 => assert_eq!(peer.ask("SWAPDB 0 1"), "+OK\r\n"),
                2 => assert_eq!(peer.ask("FLUSHDB"), "+OK\r\n"),
                3 => {
                    for words in ["MULTI", "SWAPDB 0 1", "DBSIZE", "RANDOMKEY", "FLUSHALL"] {
                        peer.ask(words);
                    }
                    assert!(peer.ask("EXEC").starts_with("*4\r\n+OK\r\n"));
                }
                4 => drop(peer.ask("MOVE z 1")),
                _ => drop(peer.ask("COPY x z REPLACE")),
            })
        });
        let started = Instant::now();
        let mut threads: Vec<_> = writers.into_iter().chain(readers).collect();
        threads.push(upheaval);
        while started.elapsed() < Duration::from_millis(1500)
            && threads.iter().all(|thread| !thread.is_finished())
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().expect("no thread failed")).collect::<Vec<_>>()
    });
    assert!(counts.iter().all(|&count| count > 20), "{counts:?}");
}

#[test]
fn increments_under_watch_are_not_lost() {
    const EACH: usize = 300;
    let daemon = daemon(&[]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut peer = Resp::connect(&daemon);
                let mut done = 0;
                while done < EACH {
                    peer.ask("WATCH n");
                    let reply = peer.ask("GET n");
                    let old: usize = reply.lines().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
                    peer.ask("MULTI");
                    peer.ask(&format!("SET n {}", old + 1));
                    done += usize::from(peer.ask("EXEC").starts_with("*1"));
                }
            });
        }
    });
    assert_eq!(Resp::connect(&daemon).ask("INCRBY n 0"), format!(":{}\r\n", 4 * EACH));
}
