//! Every order of events: `src/turns.rs`, `src/mailbox.rs` and `src/server/ready.rs`, as they are, compiled against
//! loom's atomics and locks. loom runs a model once for each order in which its threads can take their steps, and with
//! each value that the memory model lets a load return, so a missing fence shows on any processor.
//! (Norris & Demsky, CDSChecker, OOPSLA'13.)

/// What the included files find as `crate::sync`.
mod sync {
    use loom::sync::MutexGuard;
    pub use loom::sync::atomic::{AtomicBool, Ordering, fence};

    #[derive(Debug, Default)]
    pub struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no model panics with a lock")
        }
    }

    /// Each is one more round of possibilities.
    pub const LOOKS: u32 = 1;

    pub fn pause() {
        loom::thread::yield_now();
    }

    pub fn back_off(_: u32) {
        loom::thread::yield_now();
    }
}

mod clients {
    use loom::sync::atomic::{AtomicBool, Ordering};

    /// What `turns` wants of a client.
    #[derive(Debug)]
    pub struct Client {
        pub id: u64,
        pub nudged: AtomicBool,
    }

    impl Client {
        pub fn new(id: u64) -> Client {
            Client { id, nudged: AtomicBool::new(false) }
        }

        pub fn nudge(&self) {
            self.nudged.store(true, Ordering::Relaxed);
        }
    }
}

#[path = "../../src/mailbox.rs"]
mod mailbox;
#[path = "../../src/server/ready.rs"]
mod ready;
#[path = "../../src/turns.rs"]
#[allow(unused_imports)] // of its unit tests, which are no tests without a harness
mod turns;

use clients::Client;
use loom::sync::Arc as LoomArc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;
use mailbox::Mailbox;
use ready::{Bell, Ready, Seat};
use std::sync::Arc;
use std::task::{Wake, Waker};
use turns::Turns;

/// Two workers and a script: what a worker does in a turn and what the script does alone never happen at once, and
/// each sees what the other did before: otherwise a sum, kept by plain loads and stores, would lose something.
fn a_script_is_alone() {
    struct World {
        turns: Turns,
        /// What each worker touches in its turns.
        parts: [AtomicUsize; 2],
    }
    let add = |part: &AtomicUsize, more: usize| {
        part.store(part.load(Ordering::Relaxed) + more, Ordering::Relaxed);
    };
    let parts = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let world = LoomArc::new(World { turns: Turns::new(2), parts });
    let workers = [0, 1].map(|number| {
        let world = world.clone();
        thread::spawn(move || match world.turns.enter(number) {
            // A worker stays in its turn for several connections, as long as nobody waits for its end.
            Some(_turn) => {
                add(&world.parts[number], 1);
                let stays = world.turns.may_stay(number);
                if stays {
                    add(&world.parts[number], 1);
                }
                world.turns.leave(number);
                assert!(!world.turns.may_stay(number), "it has left");
                1 + usize::from(stays)
            }
            None => 0,
        })
    });
    {
        let _alone = world.turns.close();
        for part in &world.parts {
            add(part, 10);
        }
    }
    let added: usize = workers.map(|worker| worker.join().expect("it does not panic")).iter().sum();
    assert_eq!(world.parts.iter().map(|part| part.load(Ordering::Relaxed)).sum::<usize>(), 20 + added);
}

/// The same where a worker runs a script by itself: whoever has the VM's lock is alone, or nobody is.
fn a_worker_with_a_script_is_alone() {
    struct World {
        turns: Turns,
        vm: sync::Mutex<()>,
        parts: [AtomicUsize; 2],
    }
    let add = |part: &AtomicUsize, more: usize| {
        part.store(part.load(Ordering::Relaxed) + more, Ordering::Relaxed);
    };
    let world = LoomArc::new(World {
        turns: Turns::new(2),
        vm: sync::Mutex::default(),
        parts: [AtomicUsize::new(0), AtomicUsize::new(0)],
    });
    let other = {
        let world = world.clone();
        thread::spawn(move || world.turns.enter(0).map(|_turn| add(&world.parts[0], 1)).is_some())
    };
    let visitor = {
        let world = world.clone();
        thread::spawn(move || {
            let entered = world.turns.enter(1).map(|_turn| add(&world.parts[1], 1)).is_some();
            let _vm = world.vm.lock();
            let alone = world.turns.try_close();
            if alone.is_some() {
                world.parts.iter().for_each(|part| add(part, 10));
            }
            usize::from(entered) + if alone.is_some() { 20 } else { 0 }
        })
    };
    let _vm = world.vm.lock();
    let alone = world.turns.close();
    world.parts.iter().for_each(|part| add(part, 100));
    drop((alone, _vm));
    let added =
        usize::from(other.join().expect("it does not panic")) + visitor.join().expect("it does not panic");
    assert_eq!(world.parts.iter().map(|part| part.load(Ordering::Relaxed)).sum::<usize>(), 200 + added);
}

/// A worker that finds the store taken parks its client, and the client is woken once the store is free, whatever
/// comes first.
fn who_parks_is_woken() {
    let turns = LoomArc::new(Turns::new(1));
    let client = Arc::new(Client::new(1));
    let worker = {
        let (turns, client) = (turns.clone(), client.clone());
        thread::spawn(move || {
            let parks = turns.enter(0).is_none();
            if parks {
                turns.park(&client);
            }
            parks
        })
    };
    drop(turns.close());
    let parked = worker.join().expect("it does not panic");
    assert_eq!(client.nudged.load(Ordering::Relaxed), parked, "parked: {parked}");
}

/// A waker that notes that it was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Woken>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A connection that sleeps when the flag is down, and others that post: no mail is left in a mailbox whose owner
/// sleeps with nobody about to wake it.
fn no_mail_is_slept_over() {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let mailbox = LoomArc::new(Mailbox::<Vec<u32>>::default());
    mailbox.set_waker(Waker::from(woken.clone()));
    let posters = [1, 2].map(|letter| {
        let mailbox = mailbox.clone();
        thread::spawn(move || mailbox.post(|mail| mail.push(letter)))
    });
    let mut read = Vec::new();
    // Two looks, then it sleeps.
    for _ in 0..2 {
        if mailbox.wants_attention() {
            read.extend(mailbox.take(std::mem::take));
        }
    }
    for poster in posters {
        poster.join().expect("it does not panic");
    }
    if mailbox.wants_attention() {
        assert!(woken.0.load(Ordering::Acquire), "the owner sleeps over its mail");
        read.extend(mailbox.take(std::mem::take));
    }
    assert!(mailbox.with(|mail| mail.is_empty()), "the flag is down and there is mail");
    read.sort_unstable();
    assert_eq!(read, [1, 2]);
}

/// What is left on purpose asks for attention again, and what comes meanwhile is not lost with it.
fn what_is_left_asks_again() {
    let mailbox = LoomArc::new(Mailbox::<Vec<u32>>::default());
    mailbox.post(|mail| mail.push(1));
    let poster = {
        let mailbox = mailbox.clone();
        thread::spawn(move || mailbox.post(|mail| mail.push(2)))
    };
    mailbox.take(|_| ());
    mailbox.look_again(|mail| !mail.is_empty());
    assert!(mailbox.wants_attention());
    poster.join().expect("it does not panic");
    assert_eq!(mailbox.take(std::mem::take), [1, 2]);
}

/// Two who have something for one connection ring its bell: the worker comes after each of them, or somebody has woken
/// it to come again.
fn no_bell_is_missed() {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(woken.clone());
    let ready = Arc::new(Ready::default());
    let seat = Seat { place: 0, guest: 1 };
    let bell = Arc::new(Bell::new(seat, ready.clone()));
    let left = LoomArc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let come = || {
        let mut seats = Vec::new();
        ready.take(&mut seats, &waker);
        assert!(seats.len() <= 1, "a seat is named once");
        for found in seats {
            assert_eq!(found, seat);
            bell.answer();
            left.iter().for_each(|thing| thing.store(false, Ordering::Relaxed));
        }
    };
    come();
    let ringers = [0, 1].map(|number| {
        let (bell, left) = (bell.clone(), left.clone());
        thread::spawn(move || {
            left[number].store(true, Ordering::Relaxed);
            bell.ring();
        })
    });
    come();
    for ringer in ringers {
        ringer.join().expect("it does not panic");
    }
    if left.iter().any(|thing| thing.load(Ordering::Relaxed)) {
        assert!(
            woken.0.load(Ordering::Acquire),
            "the worker sleeps, and something is left for its connection"
        );
        come();
    }
    assert!(
        !left.iter().any(|thing| thing.load(Ordering::Relaxed)),
        "the bell was rung, and nobody came after it"
    );
}

/// Does the checker notice? Turns without their fences, as they must not be: loom has to find the order of events in
/// which both sides think that they are alone.
fn a_turn_without_fences_is_caught() {
    // The panic is what is wanted: nothing to be told on standard error.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let caught = std::panic::catch_unwind(|| {
        loom::model(|| {
            let flags = LoomArc::new([AtomicBool::new(false), AtomicBool::new(false)]);
            let inside = LoomArc::new(AtomicUsize::new(0));
            let enter = |mine: usize| {
                let (flags, inside) = (flags.clone(), inside.clone());
                move || {
                    flags[mine].store(true, Ordering::Release);
                    if !flags[1 - mine].load(Ordering::Acquire) {
                        assert_eq!(inside.fetch_add(1, Ordering::AcqRel), 0, "two at once");
                    }
                }
            };
            let other = thread::spawn(enter(0));
            enter(1)();
            other.join().expect("two at once");
        });
    });
    std::panic::set_hook(hook);
    assert!(caught.is_err(), "loom did not find the order in which both are inside");
}

fn main() {
    let model = |check: fn()| {
        let mut model = loom::model::Builder::new();
        // Orders with more involuntary switches than this are left out: bugs show with two or three of them
        // (Musuvathi & Qadeer, PLDI'07), and the test ends within seconds.
        model.preemption_bound = Some(3);
        model.check(check);
    };
    let checks: [(&str, fn(), bool); 7] = [
        ("a_script_is_alone", a_script_is_alone, true),
        ("a_worker_with_a_script_is_alone", a_worker_with_a_script_is_alone, true),
        ("who_parks_is_woken", who_parks_is_woken, true),
        ("no_mail_is_slept_over", no_mail_is_slept_over, true),
        ("what_is_left_asks_again", what_is_left_asks_again, true),
        ("no_bell_is_missed", no_bell_is_missed, true),
        ("a_turn_without_fences_is_caught", a_turn_without_fences_is_caught, false),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for (name, check, is_model) in checks {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let start = std::time::Instant::now();
        if is_model {
            model(check)
        } else {
            check()
        }
        println!("test {name} ... ok ({:.1} s)", start.elapsed().as_secs_f64());
    }
}
