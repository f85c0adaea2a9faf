//! How many nodes Redis' radix tree would have for a stream's nodes: a number that `XINFO STREAM` tells.

use super::StreamId;

/// The nodes of a radix tree that compresses chains, over keys of 16 bytes in order. `O(keys)`.
pub(super) fn tree_nodes(ids: impl Iterator<Item = StreamId>) -> usize {
    let keys: Vec<[u8; 16]> = ids.map(StreamId::to_bytes).collect();
    if keys.is_empty() { 1 } else { nodes(&keys, 0) }
}

/// The nodes below `depth`, where `keys` still agree. At most 16 levels deep.
fn nodes(keys: &[[u8; 16]], depth: usize) -> usize {
    let (first, last) = (keys[0], keys[keys.len() - 1]);
    let common = first[depth..].iter().zip(&last[depth..]).take_while(|(a, b)| a == b).count();
    let chain = usize::from(common > 0);
    let branch = depth + common;
    if branch == first.len() {
        return chain + 1;
    }
    let children = keys.chunk_by(|a, b| a[branch] == b[branch]);
    chain + 1 + children.map(|child| nodes(child, branch + 1)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `XINFO STREAM` of redis-server 7.0 told of streams with one entry a node.
    #[test]
    fn nodes_are_counted_as_in_redis() {
        for (entries, nodes) in [(0, 1), (1, 2), (2, 6), (3, 8), (5, 12), (17, 36)] {
            let ids = (1..=entries).map(|i| StreamId::new(i * i * 97, i % 3));
            assert_eq!(tree_nodes(ids), nodes, "{entries} entries");
        }
    }
}
