//! The order of a large sorted set: a B+ tree that counts, so that the member of a rank, the rank of a member
//! and the first member of a range are all found in `O(log n)`. Its leaves hold a score and the number of the
//! member's record: 12 bytes a member. Names are compared only where scores are equal.
//!
//! Every inner node knows of each child how many entries are below it and which is the first. Leaves are all at
//! the same depth. A node that runs low is joined with a neighbour if both fit well into one; there is no
//! stricter rule, and none is needed for the bounds above.

use super::Scored;
use crate::store::memory::allocated;
use crate::store::value::members::{Members, Record};
use std::cmp::Ordering;

// A leaf is as large as a size class of the allocator. Tests want many levels.
const LEAF: usize = if cfg!(test) { 5 } else { 63 };
const INNER: usize = if cfg!(test) { 4 } else { 32 };

/// A score, and the place of the member's record.
pub type Item = (f64, u32);

#[derive(Clone, Debug)]
struct Leaf {
    scores: [f64; LEAF],
    places: [u32; LEAF],
    len: u8,
}

#[derive(Clone, Debug)]
struct Child {
    node: Node,
    count: u32,
    first: Item,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Box<Leaf>),
    Inner(Vec<Child>),
}

/// The tree. It finds the names of its entries in the table that it is shown.
#[derive(Clone, Debug)]
pub struct Order {
    root: Node,
    len: usize,
    nodes: Nodes,
}

/// How many there are.
#[derive(Clone, Debug)]
struct Nodes {
    leaves: usize,
    inners: usize,
}

impl Nodes {
    fn of_kind(&mut self, node: &Node) -> &mut usize {
        match node {
            Node::Leaf(_) => &mut self.leaves,
            Node::Inner(_) => &mut self.inners,
        }
    }
}

impl Default for Order {
    fn default() -> Order {
        Order { root: Node::Leaf(Box::default()), len: 0, nodes: Nodes { leaves: 1, inners: 0 } }
    }
}

impl Default for Leaf {
    fn default() -> Leaf {
        Leaf { scores: [0.0; LEAF], places: [0; LEAF], len: 0 }
    }
}

/// What is looked for: a score and a name.
#[derive(Clone, Copy)]
pub struct Target<'t> {
    pub score: f64,
    pub name: &'t [u8],
    pub members: &'t Members<Scored>,
}

impl Target<'_> {
    /// How an entry compares with it.
    fn compare(&self, (score, place): Item) -> Ordering {
        let by_score = score.partial_cmp(&self.score).unwrap_or(Ordering::Equal);
        by_score.then_with(|| self.members.get(place as usize).name().cmp(self.name))
    }
}

impl Leaf {
    fn len(&self) -> usize {
        self.len.into()
    }

    fn get(&self, at: usize) -> Item {
        (self.scores[at], self.places[at])
    }

    /// Entries for which `is_before` holds; they come first.
    fn partition(&self, mut is_before: impl FnMut(Item) -> bool) -> usize {
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from.midpoint(to);
            if is_before(self.get(middle)) { from = middle + 1 } else { to = middle }
        }
        from
    }

    fn insert(&mut self, at: usize, (score, place): Item) {
        let len = self.len();
        self.scores.copy_within(at..len, at + 1);
        self.places.copy_within(at..len, at + 1);
        (self.scores[at], self.places[at]) = (score, place);
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        let len = self.len();
        self.scores.copy_within(at + 1..len, at);
        self.places.copy_within(at + 1..len, at);
        self.len -= 1;
    }

    /// Cuts off what is behind `at`.
    fn split_off(&mut self, at: usize) -> Leaf {
        let mut right = Leaf::default();
        right.append(self, at);
        self.len = at as u8;
        right
    }

    /// Adds the entries of another leaf from `from` on.
    fn append(&mut self, other: &Leaf, from: usize) {
        let (len, more) = (self.len(), other.len() - from);
        self.scores[len..len + more].copy_from_slice(&other.scores[from..from + more]);
        self.places[len..len + more].copy_from_slice(&other.places[from..from + more]);
        self.len += more as u8;
    }
}

/// Which child an entry belongs to: the last that begins before it, or with it.
fn child_for(children: &[Child], target: &Target<'_>) -> usize {
    children.partition_point(|child| target.compare(child.first) != Ordering::Greater).saturating_sub(1)
}

impl Node {
    /// Entries or children.
    fn width(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len(),
            Node::Inner(children) => children.len(),
        }
    }

    fn into_child(self) -> Child {
        let (count, first) = match &self {
            Node::Leaf(leaf) => (leaf.len() as u32, leaf.get(0)),
            Node::Inner(children) => (children.iter().map(|child| child.count).sum(), children[0].first),
        };
        Child { node: self, count, first }
    }

    fn first(&self) -> Item {
        match self {
            Node::Leaf(leaf) => leaf.get(0),
            Node::Inner(children) => children[0].first,
        }
    }

    /// Adds an entry that is not there. Returns the right half of the node if it had to be split.
    /// Whoever adds in ascending order always splits the `last` node: it is left full.
    fn insert(&mut self, target: &Target<'_>, place: u32, last: bool, nodes: &mut Nodes) -> Option<Node> {
        match self {
            Node::Leaf(leaf) => {
                let at = leaf.partition(|item| target.compare(item) == Ordering::Less);
                let item = (target.score, place);
                if leaf.len() < LEAF {
                    leaf.insert(at, item);
                    return None;
                }
                let middle = if last && at == LEAF { LEAF } else { LEAF / 2 };
                let mut right = leaf.split_off(middle);
                if at > middle || at == LEAF {
                    right.insert(at - middle, item)
                } else {
                    leaf.insert(at, item)
                }
                nodes.leaves += 1;
                Some(Node::Leaf(Box::new(right)))
            }
            Node::Inner(children) => {
                let at = child_for(children, target);
                let is_last = last && at + 1 == children.len();
                let child = &mut children[at];
                let split = child.node.insert(target, place, is_last, nodes);
                child.first = child.node.first();
                child.count += 1;
                let right = split?.into_child();
                child.count -= right.count;
                children.insert(at + 1, right);
                if children.len() <= INNER {
                    return None;
                }
                let middle = if is_last { INNER } else { INNER / 2 };
                let mut right = inner();
                right.extend(children.drain(middle..));
                nodes.inners += 1;
                Some(Node::Inner(right))
            }
        }
    }

    /// Takes an entry out; `false` if it is not there.
    fn remove(&mut self, target: &Target<'_>, nodes: &mut Nodes) -> bool {
        match self {
            Node::Leaf(leaf) => {
                let at = leaf.partition(|item| target.compare(item) == Ordering::Less);
                let found = at < leaf.len() && target.compare(leaf.get(at)) == Ordering::Equal;
                if found {
                    leaf.remove(at);
                }
                found
            }
            Node::Inner(children) => {
                let at = child_for(children, target);
                let child = &mut children[at];
                if !child.node.remove(target, nodes) {
                    return false;
                }
                child.count -= 1;
                if child.count == 0 {
                    *nodes.of_kind(&child.node) -= 1;
                    children.remove(at);
                } else {
                    child.first = child.node.first();
                    join(children, at, nodes);
                }
                true
            }
        }
    }
}

/// Joins a child that has run low with a neighbour, if there is room to spare.
fn join(children: &mut Vec<Child>, at: usize, nodes: &mut Nodes) {
    let most = if matches!(children[at].node, Node::Leaf(_)) { LEAF } else { INNER };
    if children[at].node.width() > most / 4 {
        return;
    }
    for left in [at.checked_sub(1), Some(at)].into_iter().flatten() {
        let Some(right) = children.get(left + 1) else { continue };
        if children[left].node.width() + right.node.width() > most * 3 / 4 {
            continue;
        }
        let right = children.remove(left + 1);
        *nodes.of_kind(&right.node) -= 1;
        let child = &mut children[left];
        child.count += right.count;
        match (&mut child.node, right.node) {
            (Node::Leaf(leaf), Node::Leaf(right)) => leaf.append(&right, 0),
            (Node::Inner(inner), Node::Inner(right)) => inner.extend(right),
            _ => debug_assert!(false, "all leaves are at the same depth"),
        }
        return;
    }
}

/// An empty inner node, with room for the child that makes it split.
fn inner() -> Vec<Child> {
    Vec::with_capacity(INNER + 1)
}

impl Order {
    /// Bytes allocated. `O(1)`.
    pub fn bytes(&self) -> usize {
        self.nodes.leaves * allocated(size_of::<Leaf>())
            + self.nodes.inners * allocated((INNER + 1) * size_of::<Child>())
    }

    /// Adds a member that is not there. `O(log n)`.
    pub fn insert(&mut self, target: &Target<'_>, place: u32) {
        self.len += 1;
        let Some(right) = self.root.insert(target, place, true, &mut self.nodes) else { return };
        let left = std::mem::replace(&mut self.root, Node::Inner(inner()));
        if let Node::Inner(children) = &mut self.root {
            children.extend([left.into_child(), right.into_child()]);
        }
        self.nodes.inners += 1;
    }

    /// Takes a member out. `O(log n)`.
    pub fn remove(&mut self, target: &Target<'_>) {
        if !self.root.remove(target, &mut self.nodes) {
            return;
        }
        self.len -= 1;
        while let Node::Inner(children) = &mut self.root
            && children.len() <= 1
        {
            self.nodes.inners -= 1;
            self.root = match children.pop() {
                Some(child) => child.node,
                None => {
                    self.nodes.leaves += 1;
                    Node::Leaf(Box::default())
                }
            };
        }
    }

    /// The record of a member was moved to another place in the table, where `target` finds it now.
    pub fn move_record(&mut self, target: &Target<'_>, from: usize, to: usize) {
        // Not looked for by its name, for the table has no longer a record where the entry says.
        let (from, to) = (from as u32, to as u32);
        let compare = |item: Item| target.compare(if item.1 == from { (item.0, to) } else { item });
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let at = leaf.partition(|item| compare(item) == Ordering::Less);
                    if at < leaf.len() && leaf.places[at] == from {
                        leaf.places[at] = to;
                    }
                    return;
                }
                Node::Inner(children) => {
                    let at = children.partition_point(|child| compare(child.first) != Ordering::Greater);
                    let child = &mut children[at.saturating_sub(1)];
                    if child.first.1 == from {
                        child.first.1 = to;
                    }
                    node = &mut child.node;
                }
            }
        }
    }

    /// How many members come before the first for which `is_before` does not hold; it must hold for all of
    /// those and for none behind. `O(log n)`.
    pub fn partition(&self, mut is_before: impl FnMut(Item) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(leaf) => return rank + leaf.partition(is_before),
                Node::Inner(children) => {
                    let at = children.partition_point(|child| is_before(child.first)).saturating_sub(1);
                    rank += children[..at].iter().map(|child| child.count as usize).sum::<usize>();
                    node = &children[at].node;
                }
            }
        }
    }

    /// How many members come before this one. `O(log n)`.
    pub fn rank(&self, target: &Target<'_>) -> usize {
        self.partition(|item| target.compare(item) == Ordering::Less)
    }

    /// The members of these ranks, which must be there. `O(log n)` to begin with, then `O(1)` each.
    pub fn range(&self, ranks: std::ops::Range<usize>) -> Range<'_> {
        Range { root: &self.root, front: None, back: None, ranks }
    }
}

/// Members in order, from either end.
#[derive(Debug)]
pub struct Range<'o> {
    root: &'o Node,
    front: Option<Place<'o>>,
    back: Option<Place<'o>>,
    ranks: std::ops::Range<usize>,
}

/// An entry: the way to its leaf, and the next one to take there.
#[derive(Debug)]
struct Place<'o> {
    way: Vec<(&'o [Child], usize)>,
    leaf: &'o Leaf,
    at: usize,
}

impl<'o> Place<'o> {
    fn of_rank(root: &'o Node, mut rank: usize) -> Place<'o> {
        let (mut node, mut way) = (root, Vec::new());
        loop {
            match node {
                Node::Leaf(leaf) => return Place { way, leaf, at: rank },
                Node::Inner(children) => {
                    let mut at = 0;
                    while at + 1 < children.len() && rank >= children[at].count as usize {
                        rank -= children[at].count as usize;
                        at += 1;
                    }
                    way.push((children, at));
                    node = &children[at].node;
                }
            }
        }
    }

    /// Goes to the leaf beside this one, which must be there.
    fn go_beside(&mut self, forward: bool) {
        let step = |at: usize| if forward { Some(at + 1) } else { at.checked_sub(1) };
        while let Some((children, at)) = self.way.pop() {
            let Some(at) = step(at).filter(|&at| at < children.len()) else { continue };
            let mut node = &children[at].node;
            self.way.push((children, at));
            while let Node::Inner(children) = node {
                let at = if forward { 0 } else { children.len() - 1 };
                self.way.push((children, at));
                node = &children[at].node;
            }
            if let Node::Leaf(leaf) = node {
                (self.leaf, self.at) = (leaf, if forward { 0 } else { leaf.len() - 1 });
            }
            return;
        }
    }
}

impl Iterator for Range<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let rank = self.ranks.next()?;
        let place = match &mut self.front {
            None => self.front.insert(Place::of_rank(self.root, rank)),
            Some(place) => {
                if place.at + 1 < place.leaf.len() {
                    place.at += 1
                } else {
                    place.go_beside(true)
                }
                place
            }
        };
        Some(place.leaf.get(place.at))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Item> {
        let rank = self.ranks.next_back()?;
        let place = match &mut self.back {
            None => self.back.insert(Place::of_rank(self.root, rank)),
            Some(place) => {
                if place.at > 0 {
                    place.at -= 1
                } else {
                    place.go_beside(false)
                }
                place
            }
        };
        Some(place.leaf.get(place.at))
    }
}

impl ExactSizeIterator for Range<'_> {}

#[cfg(test)]
impl Order {
    /// Everything that is said at the top holds.
    pub fn validate(&self) {
        fn walk(node: &Node, depth: usize, depths: &mut Vec<usize>, nodes: &mut Nodes) -> usize {
            *nodes.of_kind(node) += 1;
            match node {
                Node::Leaf(leaf) => {
                    depths.push(depth);
                    leaf.len()
                }
                Node::Inner(children) => {
                    assert!((1..=INNER).contains(&children.len()));
                    for child in children {
                        assert_eq!(child.first, child.node.first());
                        assert_eq!(child.count as usize, walk(&child.node, depth + 1, depths, nodes));
                        assert!(child.count > 0);
                    }
                    children.iter().map(|child| child.count as usize).sum()
                }
            }
        }
        let (mut depths, mut nodes) = (Vec::new(), Nodes { leaves: 0, inners: 0 });
        assert_eq!(walk(&self.root, 0, &mut depths, &mut nodes), self.len);
        assert!(depths.iter().all(|depth| *depth == depths[0]));
        assert_eq!((nodes.leaves, nodes.inners), (self.nodes.leaves, self.nodes.inners));
    }
}
