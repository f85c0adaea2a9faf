//! Textbook eviction policies over numbered objects, to compare with: exact, in units (objects or bytes), with
//! no overhead. All are built on one queue, which can lose any member.

use std::collections::BTreeMap;

/// A cache that is asked for one object after another.
pub trait Cache {
    /// Was the object there? If not it is stored.
    fn request(&mut self, id: u32, size: u64) -> bool;
}

/// A queue of objects, in order of their arrival.
#[derive(Default)]
struct Queue {
    order: BTreeMap<u64, (u32, u64)>,
    /// Object → its place in the order, from 1 on; 0: not here.
    place: Vec<u64>,
    last: u64,
    bytes: u64,
}

impl Queue {
    fn holds(&self, id: u32) -> bool {
        self.place.get(id as usize).is_some_and(|&place| place != 0)
    }

    fn push(&mut self, id: u32, size: u64) {
        if self.place.len() <= id as usize {
            self.place.resize(id as usize + 1, 0);
        }
        self.last += 1;
        self.place[id as usize] = self.last;
        self.order.insert(self.last, (id, size));
        self.bytes += size;
    }

    /// Takes an object out; returns its size.
    fn remove(&mut self, id: u32) -> Option<u64> {
        let place = std::mem::take(self.place.get_mut(id as usize)?);
        let (_, size) = self.order.remove(&place)?;
        self.bytes -= size;
        Some(size)
    }

    fn oldest(&self) -> Option<(u32, u64)> {
        self.order.values().next().copied()
    }

    fn pop(&mut self) -> Option<(u32, u64)> {
        let (id, size) = self.oldest()?;
        self.remove(id);
        Some((id, size))
    }

    /// To the young end, if it is here.
    fn renew(&mut self, id: u32) -> bool {
        let size = self.remove(id);
        size.inspect(|&size| self.push(id, size)).is_some()
    }
}

/// Least recently used.
pub struct Lru {
    queue: Queue,
    capacity: u64,
}

impl Lru {
    pub fn new(capacity: u64) -> Lru {
        Lru { queue: Queue::default(), capacity }
    }
}

impl Cache for Lru {
    fn request(&mut self, id: u32, size: u64) -> bool {
        if self.queue.renew(id) {
            return true;
        }
        if size <= self.capacity {
            while self.queue.bytes + size > self.capacity {
                self.queue.pop();
            }
            self.queue.push(id, size);
        }
        false
    }
}

/// Counts of hits, bounded, by object.
#[derive(Default)]
struct Counts(Vec<u8>);

impl Counts {
    fn at(&mut self, id: u32) -> &mut u8 {
        if self.0.len() <= id as usize {
            self.0.resize(id as usize + 1, 0);
        }
        &mut self.0[id as usize]
    }

    fn add(&mut self, id: u32, most: u8) {
        let count = self.at(id);
        *count = (*count + 1).min(most);
    }
}

/// SIEVE: a FIFO whose hand skips what was visited (Zhang et al., NSDI 2024).
pub struct Sieve {
    queue: Queue,
    visited: Counts,
    hand: u64,
    capacity: u64,
}

impl Sieve {
    pub fn new(capacity: u64) -> Sieve {
        Sieve { queue: Queue::default(), visited: Counts::default(), hand: 0, capacity }
    }

    fn evict(&mut self) {
        loop {
            let next = self.queue.order.range(self.hand..).next().map(|(&place, &(id, _))| (place, id));
            let Some((place, id)) = next else {
                self.hand = 0;
                continue;
            };
            self.hand = place + 1;
            if std::mem::take(self.visited.at(id)) == 0 {
                self.queue.remove(id);
                if place == self.queue.last {
                    self.hand = 0;
                }
                return;
            }
        }
    }
}

impl Cache for Sieve {
    fn request(&mut self, id: u32, size: u64) -> bool {
        if self.queue.holds(id) {
            *self.visited.at(id) = 1;
            return true;
        }
        if size <= self.capacity {
            while self.queue.bytes + size > self.capacity {
                self.evict();
            }
            self.queue.push(id, size);
        }
        false
    }
}

/// S3-FIFO with its usual tenth for the small queue (Yang et al., SOSP 2023); a ghost that is hit is used up.
pub struct S3Fifo {
    small: Queue,
    main: Queue,
    ghost: Queue,
    hits: Counts,
    capacity: u64,
}

impl S3Fifo {
    pub fn new(capacity: u64) -> S3Fifo {
        let queue = Queue::default;
        S3Fifo { small: queue(), main: queue(), ghost: queue(), hits: Counts::default(), capacity }
    }

    fn small_most(&self) -> u64 {
        (self.capacity / 10).max(1)
    }

    fn evict_small(&mut self) {
        while let Some((id, size)) = self.small.pop() {
            if std::mem::take(self.hits.at(id)) > 0 {
                self.main.push(id, size);
                if self.main.bytes > self.capacity - self.small_most() {
                    self.evict_main();
                }
                continue;
            }
            self.ghost.push(id, size);
            while self.ghost.bytes > self.capacity / 10 * 9 {
                self.ghost.pop();
            }
            return;
        }
    }

    fn evict_main(&mut self) {
        while let Some((id, size)) = self.main.pop() {
            let hits = self.hits.at(id);
            if *hits == 0 {
                return;
            }
            *hits -= 1;
            self.main.push(id, size);
        }
    }
}

impl Cache for S3Fifo {
    fn request(&mut self, id: u32, size: u64) -> bool {
        if self.small.holds(id) || self.main.holds(id) {
            self.hits.add(id, 3);
            return true;
        }
        if size > self.capacity {
            return false;
        }
        while self.small.bytes + self.main.bytes + size > self.capacity {
            if self.small.bytes > self.small_most() || self.main.bytes == 0 {
                self.evict_small();
            } else {
                self.evict_main();
            }
        }
        *self.hits.at(id) = 0;
        let queue = if self.ghost.remove(id).is_some() { &mut self.main } else { &mut self.small };
        queue.push(id, size);
        false
    }
}

/// W-TinyLFU with a window of one percent (Einziger et al., 2017), its sketch replaced by exact counts.
pub struct TinyLfu {
    window: Queue,
    probation: Queue,
    protected: Queue,
    counts: Counts,
    counted: u64,
    sample: u64,
    capacity: u64,
}

impl TinyLfu {
    /// `objects`: how many objects the capacity holds, about.
    pub fn new(capacity: u64, objects: u64) -> TinyLfu {
        let queue = Queue::default;
        let (window, probation, protected) = (queue(), queue(), queue());
        let sample = objects.max(10) * 10;
        TinyLfu { window, probation, protected, counts: Counts::default(), counted: 0, sample, capacity }
    }

    fn count(&mut self, id: u32) {
        self.counts.add(id, 15);
        self.counted += 1;
        if self.counted >= self.sample {
            self.counted /= 2;
            self.counts.0.iter_mut().for_each(|count| *count /= 2);
        }
    }

    /// The candidate that left the window takes the place of those that were asked for less often.
    fn admit(&mut self, id: u32, size: u64, main: u64) {
        while self.probation.bytes + self.protected.bytes + size > main {
            let Some((victim, _)) = self.probation.oldest().or_else(|| self.protected.oldest()) else {
                return;
            };
            if *self.counts.at(id) <= *self.counts.at(victim) {
                return;
            }
            if self.probation.remove(victim).is_none() {
                self.protected.remove(victim);
            }
        }
        self.probation.push(id, size);
    }
}

impl Cache for TinyLfu {
    fn request(&mut self, id: u32, size: u64) -> bool {
        self.count(id);
        let window = (self.capacity / 100).max(1);
        let main = self.capacity - window;
        if self.window.renew(id) || self.protected.renew(id) {
            return true;
        }
        if let Some(size) = self.probation.remove(id) {
            self.protected.push(id, size);
            while self.protected.bytes > main * 8 / 10 {
                let Some((id, size)) = self.protected.pop() else { break };
                self.probation.push(id, size);
            }
            return true;
        }
        if size <= self.capacity {
            self.window.push(id, size);
            while self.window.bytes > window {
                let Some((id, size)) = self.window.pop() else { break };
                self.admit(id, size, main);
            }
        }
        false
    }
}
