//! Walks over a list's elements, from either end.

use super::super::listpack::{self, Listpack};
use super::node::Node;
use super::{Element, End};
use bytes::Bytes;
use std::collections::vec_deque;

/// Elements in order, from the end that the walk was begun at.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    nodes: vec_deque::Iter<'a, Node>,
    here: Here<'a>,
    from: End,
}

/// What is left of the node that the walk is in.
#[derive(Clone, Debug)]
enum Here<'a> {
    Entries(listpack::Iter<'a>),
    Element(Option<&'a Bytes>),
}

impl<'a> Iter<'a> {
    pub(super) fn of_pack(pack: &'a Listpack, from: End) -> Iter<'a> {
        Iter { nodes: vec_deque::Iter::default(), here: Here::Entries(pack.iter()), from }
    }

    pub(super) fn of_nodes(nodes: vec_deque::Iter<'a, Node>, from: End) -> Iter<'a> {
        Iter { nodes, here: Here::Element(None), from }
    }

    /// Without the first `count` elements, which are walked over.
    pub(super) fn skipping(mut self, count: usize) -> Iter<'a> {
        if count > 0 {
            self.nth(count - 1);
        }
        self
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            let element = match &mut self.here {
                Here::Entries(entries) => {
                    let entry = match self.from {
                        End::Head => entries.next(),
                        End::Tail => entries.next_back(),
                    };
                    entry.map(Element::from)
                }
                Here::Element(bytes) => bytes.take().map(Element::Large),
            };
            if element.is_some() {
                return element;
            }
            let node = match self.from {
                End::Head => self.nodes.next(),
                End::Tail => self.nodes.next_back(),
            };
            self.here = match node? {
                Node::Packed(pack) => Here::Entries(pack.iter()),
                Node::Plain(bytes) => Here::Element(Some(bytes)),
            };
        }
    }
}
