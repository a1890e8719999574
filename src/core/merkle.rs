//! The Merkle tree over the log's lines: RFC 6962 §2.1 with SHA-256.
//!
//! A leaf is a line's bytes without its LF. Nothing of the tree stands in the log; whoever follows the log keeps the
//! hashes of its *complete* subtrees, those whose leaves are all there, and these never change. One is named by its
//! [`Node`]. Every root and proof of every size up to the log's is made of O(log n) of them, read through a
//! [`HashReader`], so that old roots need neither the lines nor the whole tree (as in Go's sumdb/tlog).
//!
//! Appending leaf n: [`stored_hashes`] tells what to keep. Roots: [`root`]. Proofs: [`prove_inclusion`] and
//! [`prove_consistency`], checked by [`check_inclusion`] and [`check_consistency`] (RFC 9162 §2.1.3.2, §2.1.4.2).
//! [`MemoryTree`] keeps it all in memory.

use std::fmt;

use sha2::{Digest, Sha256};

use super::hash::Hash;

/// Returns the hash of the leaf that is `line`, its bytes without the LF.
pub fn leaf_hash(line: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(line).finalize().into())
}

/// Returns the hash of the node over two subtrees.
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    Hash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// A complete subtree: the `2^level` leaves from leaf `index * 2^level` on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Node {
    /// 0 for a leaf.
    pub level: u32,
    /// The place among the subtrees of its level, from 0.
    pub index: u64,
}

impl Node {
    /// Returns the place of the subtree in the order in which subtrees become complete, from 0: a store may be a plain
    /// array that only ever grows.
    pub fn stored_index(self) -> u64 {
        // The subtree is complete with its last leaf, and stored `level` places after that leaf's own hash.
        let last_leaf = (self.index << self.level) + ((1 << self.level) - 1);
        stored_before(last_leaf) + u64::from(self.level)
    }
}

/// Returns how many hashes are stored for the first `size` leaves; less than twice as many.
pub fn stored_before(size: u64) -> u64 {
    // Every level stores one hash for each subtree that is complete.
    (0..u64::BITS).map(|level| size >> level).sum()
}

/// Where the hashes of complete subtrees are read from.
pub trait HashReader {
    /// Why a hash can't be read.
    type Error;
    /// Returns the hash of a complete subtree.
    ///
    /// # Errors
    /// The subtree is not there, or the store fails.
    fn read(&self, node: Node) -> Result<Hash, Self::Error>;
}

/// Returns the hashes that the leaf number `index` adds to the store, in stored order: its own, then those of the
/// subtrees that it completes. Reads as many as it adds, less one.
///
/// # Errors
/// What the reader fails with.
pub fn stored_hashes<R: HashReader + ?Sized>(index: u64, leaf: Hash, reader: &R) -> Result<Vec<Hash>, R::Error> {
    let mut hash = leaf;
    let mut hashes = vec![leaf];
    for level in 0..index.trailing_ones() {
        hash = node_hash(reader.read(Node { level, index: (index >> level) - 1 })?, hash);
        hashes.push(hash);
    }
    Ok(hashes)
}

/// Returns the root over the first `size` leaves; of none it is the hash of nothing.
///
/// # Errors
/// What the reader fails with.
pub fn root<R: HashReader + ?Sized>(size: u64, reader: &R) -> Result<Hash, R::Error> {
    if size == 0 { Ok(Hash::of(b"")) } else { range_hash(0, size, reader) }
}

/// Returns the hash over the leaves from `start` (included) to `end`, a subtree of some tree: `end > start`, and
/// `start` is a multiple of the least power of two that holds them.
fn range_hash<R: HashReader + ?Sized>(start: u64, end: u64, reader: &R) -> Result<Hash, R::Error> {
    // Its complete subtrees, smallest and last first: one for each bit of the number of its leaves.
    let (mut hash, mut end, mut left) = (None, end, end - start);
    while left > 0 {
        let level = left.trailing_zeros();
        let subtree = reader.read(Node { level, index: (end - 1) >> level })?;
        hash = Some(hash.map_or(subtree, |right| node_hash(subtree, right)));
        end -= 1 << level;
        left -= 1 << level;
    }
    Ok(hash.expect("a range holds at least one leaf"))
}

/// Returns the largest power of two below `size`, where a tree of more than one leaf splits.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// Proves that leaf number `index` is in the tree of the first `size` leaves; none if `index` is not below `size`.
///
/// # Errors
/// What the reader fails with.
pub fn prove_inclusion<R: HashReader + ?Sized>(
    index: u64,
    size: u64,
    reader: &R,
) -> Result<Option<Vec<Hash>>, R::Error> {
    if index >= size {
        return Ok(None);
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range_hash(middle, end, reader)?);
            end = middle;
        } else {
            proof.push(range_hash(start, middle, reader)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(Some(proof))
}

/// Tells whether `proof` shows that `leaf` is number `index` in the tree of `size` leaves with this root.
pub fn check_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last) = (index, size - 1);
    let mut hash = leaf;
    for other in proof {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(*other, hash);
            skip_missing_levels(&mut place, &mut last);
        } else {
            hash = node_hash(hash, *other);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && hash == root
}

/// Goes up past the levels at which the last subtree has no sibling, and so no hash in a proof.
fn skip_missing_levels(place: &mut u64, last: &mut u64) {
    while *place & 1 == 0 && *place != 0 {
        *place >>= 1;
        *last >>= 1;
    }
}

/// Proves that the tree of the first `size` leaves extends that of the first `old`; none if `old` is larger. There is
/// nothing to prove, and the proof is empty, where `old` is 0 or equals `size`.
///
/// # Errors
/// What the reader fails with.
pub fn prove_consistency<R: HashReader + ?Sized>(
    old: u64,
    size: u64,
    reader: &R,
) -> Result<Option<Vec<Hash>>, R::Error> {
    if old > size {
        return Ok(None);
    }
    if old == 0 || old == size {
        return Ok(Some(Vec::new()));
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range_hash(middle, end, reader)?);
            end = middle;
        } else {
            proof.push(range_hash(start, middle, reader)?);
            start = middle;
        }
    }
    if start != 0 {
        // Else the checker has it: it is the old root itself.
        proof.push(range_hash(start, end, reader)?);
    }
    proof.reverse();
    Ok(Some(proof))
}

/// Tells whether `proof` shows that the tree of `size` leaves with root `new_root` extends that of `old` leaves with
/// root `old_root`.
pub fn check_consistency(old: u64, old_root: Hash, size: u64, new_root: Hash, proof: &[Hash]) -> bool {
    if old > size {
        return false;
    }
    if old == size {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && old_root == Hash::of(b"");
    }
    let (mut place, mut last) = (old - 1, size - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (first, rest) = match proof.split_first() {
        // An old tree that is one complete subtree starts the proof itself.
        _ if old.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (*first, rest),
        None => return false,
    };
    let (mut old_hash, mut new_hash) = (first, first);
    for other in rest {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            old_hash = node_hash(*other, old_hash);
            new_hash = node_hash(*other, new_hash);
            skip_missing_levels(&mut place, &mut last);
        } else {
            new_hash = node_hash(new_hash, *other);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == old_root && new_hash == new_root
}

/// All hashes of complete subtrees, in memory.
#[derive(Clone, Default, Debug)]
pub struct MemoryTree {
    /// INVARIANT: level l holds `size >> l` hashes, where size is the number of hashes at level 0.
    levels: Vec<Vec<Hash>>,
}

impl MemoryTree {
    /// Returns the tree without leaves.
    pub fn new() -> MemoryTree {
        MemoryTree::default()
    }

    /// Adds a leaf.
    pub fn append(&mut self, leaf: Hash) {
        let hashes = stored_hashes(self.size(), leaf, self).expect("the subtrees before the new leaf are all stored");
        self.levels.resize_with(self.levels.len().max(hashes.len()), Vec::new);
        for (level, hash) in self.levels.iter_mut().zip(hashes) {
            level.push(hash);
        }
    }

    /// Returns the number of leaves.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Returns the root over all leaves.
    pub fn root(&self) -> Hash {
        root(self.size(), self).expect("the subtrees of all leaves are stored")
    }

    /// Returns the root over the first `size` leaves, in O(log n); none if there are fewer.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        if size <= self.size() { root(size, self).ok() } else { None }
    }
}

impl HashReader for MemoryTree {
    type Error = MissingHash;

    fn read(&self, node: Node) -> Result<Hash, MissingHash> {
        let level = usize::try_from(node.level).ok().and_then(|level| self.levels.get(level));
        let index = usize::try_from(node.index).ok();
        level.zip(index).and_then(|(level, index)| level.get(index)).copied().ok_or(MissingHash(node))
    }
}

/// A subtree that is not complete yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingHash(pub Node);

impl fmt::Display for MissingHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the log has no complete subtree {} at level {}", self.0.index, self.0.level)
    }
}

impl std::error::Error for MissingHash {}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: u64 = 64;

    fn leaves() -> Vec<Hash> {
        (0..SIZES).map(|i| leaf_hash(format!("line {i}").as_bytes())).collect()
    }

    fn tree() -> MemoryTree {
        let mut tree = MemoryTree::new();
        leaves().into_iter().for_each(|leaf| tree.append(leaf));
        tree
    }

    /// RFC 6962 §2.1, word for word.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of(b""),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(naive(left), naive(right))
            }
        }
    }

    /// RFC 6962 §2.1.1.
    fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut path, other) = match index.checked_sub(left.len()) {
            None => (naive_path(index, left), right),
            Some(index) => (naive_path(index, right), left),
        };
        path.push(naive(other));
        path
    }

    /// RFC 6962 §2.1.2, `SUBPROOF`.
    fn naive_subproof(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if known { Vec::new() } else { vec![naive(leaves)] };
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        let (mut proof, other) = match old.checked_sub(left.len()) {
            None | Some(0) => (naive_subproof(old, left, known), right),
            Some(old) => (naive_subproof(old, right, false), left),
        };
        proof.push(naive(other));
        proof
    }

    /// Every way to spoil a proof: each byte changed, each hash dropped, doubled or swapped with the next.
    fn spoiled(proof: &[Hash]) -> Vec<Vec<Hash>> {
        let mut all = vec![[proof, &[leaf_hash(b"more")]].concat()];
        for i in 0..proof.len() {
            for byte in 0..32 {
                let mut changed = proof.to_vec();
                changed[i].0[byte] ^= 1;
                all.push(changed);
            }
            let mut dropped = proof.to_vec();
            dropped.remove(i);
            let mut doubled = proof.to_vec();
            doubled.insert(i, proof[i]);
            all.extend([dropped, doubled]);
            if i + 1 < proof.len() {
                let mut swapped = proof.to_vec();
                swapped.swap(i, i + 1);
                all.push(swapped);
            }
        }
        all
    }

    fn changed(hash: Hash) -> Hash {
        let mut changed = hash;
        changed.0[31] ^= 0x80;
        changed
    }

    #[test]
    fn a_known_root() {
        // The empty tree's and the one-leaf tree's from the test vectors of RFC 6962's reference code.
        assert_eq!(
            MemoryTree::new().root().to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(leaf_hash(b"").to_string(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        let inputs: [&[u8]; 8] = [
            &[],
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
        ];
        let mut tree = MemoryTree::new();
        inputs.into_iter().for_each(|input| tree.append(leaf_hash(input)));
        let root = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";
        assert_eq!(tree.root().to_string(), root);
    }

    #[test]
    fn roots_are_those_of_the_rfc() {
        let (leaves, mut growing) = (leaves(), MemoryTree::new());
        let all = tree();
        for size in 0..=SIZES {
            let expected = naive(&leaves[..size as usize]);
            assert_eq!((growing.size(), growing.root()), (size, expected));
            assert_eq!(all.root_at(size), Some(expected));
            if let Some(leaf) = leaves.get(size as usize) {
                growing.append(*leaf);
            }
        }
        assert_eq!(all.root_at(SIZES + 1), None);
        assert_eq!(all.root_at(u64::MAX), None);
    }

    #[test]
    fn stored_hashes_form_a_plain_array() {
        let (leaves, all) = (leaves(), tree());
        let mut array = Vec::new();
        for (index, leaf) in (0..).zip(&leaves) {
            assert_eq!(array.len() as u64, stored_before(index));
            array.extend(stored_hashes(index, *leaf, &all).unwrap());
        }
        for level in 0..=6 {
            for index in 0..SIZES >> level {
                let node = Node { level, index };
                assert_eq!(Some(&array[node.stored_index() as usize]), all.read(node).ok().as_ref(), "{node:?}");
            }
        }
    }

    #[test]
    fn inclusion_proofs_hold_and_spoiled_ones_do_not() {
        let (leaves, tree) = (leaves(), tree());
        for size in 1..=SIZES {
            let root = tree.root_at(size).unwrap();
            for index in 0..size {
                let leaf = leaves[index as usize];
                let proof = prove_inclusion(index, size, &tree).unwrap().unwrap();
                assert_eq!(proof, naive_path(index as usize, &leaves[..size as usize]));
                assert!(check_inclusion(leaf, index, size, &proof, root), "{index} of {size}");
                assert!(!check_inclusion(changed(leaf), index, size, &proof, root));
                assert!(!check_inclusion(leaf, index, size, &proof, changed(root)));
                assert!(!check_inclusion(leaf, index + 1, size, &proof, root));
                if size % 9 == 0 || size < 9 {
                    for bad in spoiled(&proof) {
                        assert!(!check_inclusion(leaf, index, size, &bad, root), "{index} of {size}: {bad:?}");
                    }
                }
            }
            assert_eq!(prove_inclusion(size, size, &tree).unwrap(), None);
        }
    }

    #[test]
    fn consistency_proofs_hold_and_spoiled_ones_do_not() {
        let (leaves, tree) = (leaves(), tree());
        for size in 0..=SIZES {
            let root = tree.root_at(size).unwrap();
            for old in 0..=size {
                let old_root = tree.root_at(old).unwrap();
                let proof = prove_consistency(old, size, &tree).unwrap().unwrap();
                if old > 0 {
                    assert_eq!(proof, naive_subproof(old as usize, &leaves[..size as usize], true));
                }
                assert!(check_consistency(old, old_root, size, root, &proof), "{old} to {size}");
                assert!(!check_consistency(old, changed(old_root), size, root, &proof));
                if old > 0 {
                    // A tree without leaves is extended by any.
                    assert!(!check_consistency(old, old_root, size, changed(root), &proof));
                }
                if size % 9 == 0 || size < 9 {
                    for bad in spoiled(&proof) {
                        assert!(!check_consistency(old, old_root, size, root, &bad), "{old} to {size}: {bad:?}");
                    }
                }
            }
            assert_eq!(prove_consistency(size + 1, size, &tree).unwrap(), None);
            assert!(!check_consistency(size + 1, root, size, root, &[]));
        }
    }

    #[test]
    fn a_fork_has_no_consistency_proof() {
        let mut forked = MemoryTree::new();
        for (index, leaf) in leaves().into_iter().enumerate() {
            forked.append(if index == 20 { changed(leaf) } else { leaf });
        }
        let honest = tree();
        for old in 21..SIZES {
            let old_root = honest.root_at(old).unwrap();
            let proof = prove_consistency(old, SIZES, &forked).unwrap().unwrap();
            assert!(!check_consistency(old, old_root, SIZES, forked.root(), &proof));
        }
    }

    #[test]
    fn a_reader_that_fails_is_heard() {
        let tree = tree();
        assert_eq!(root(SIZES * 2, &tree), Err(MissingHash(Node { level: 7, index: 0 })));
        assert!(prove_inclusion(3, SIZES + 1, &tree).is_err());
        assert!(prove_consistency(3, SIZES + 1, &tree).is_err());
    }
}
