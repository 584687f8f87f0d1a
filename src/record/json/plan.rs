//! The plan: a trie of the configured paths, which says of each key in a message whose cell its value belongs to.

use std::collections::HashMap;

use crate::record::FieldPath;

/// The node of the record itself.
pub(super) const ROOT: usize = 0;

/// The trie of configured paths.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) nodes: Vec<Node>,
    /// The number of the record being read.
    pub(super) record: u64,
    /// Whether the record has a whole number beyond 64 bits, of which a float may not have all digits.
    pub(super) wide: bool,
}

#[derive(Debug, Default)]
pub(super) struct Node {
    /// Cells that take the value found here.
    pub(super) cells: Vec<usize>,
    /// Cells of nested paths of which this flat key is the whole path, as tools write it that flatten objects: they take
    /// the value where there is none at the path itself.
    pub(super) flat: Vec<usize>,
    /// Keys in the order of declaration; producers usually write them in one order, so the next key is
    /// guessed before the map is asked.
    children: Vec<(String, usize)>,
    by_key: HashMap<String, usize>,
    pub(super) expected: usize,
    /// Cells of the paths that lead through here.
    pub(super) below: Vec<usize>,
    /// The record in which a value was last found here.
    pub(super) record: u64,
}

impl Plan {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()], record: 0, wide: false }
    }

    pub(super) fn begin(&mut self) {
        self.record += 1;
        self.wide = false;
    }

    pub(super) fn add(&mut self, path: &FieldPath, cell: usize) {
        let mut current = ROOT;
        for step in path.steps() {
            if let Some(node) = self.nodes.get_mut(current) {
                node.below.push(cell);
            }
            current = self.child_or_new(current, step);
        }
        if let Some(node) = self.nodes.get_mut(current) {
            node.cells.push(cell);
        }
    }

    pub(super) fn add_flat(&mut self, path: &FieldPath, cell: usize) {
        if path.steps().len() > 1 {
            let node = self.child_or_new(ROOT, &path.steps().join("."));
            if let Some(node) = self.nodes.get_mut(node) {
                node.flat.push(cell);
            }
        }
    }

    fn child_or_new(&mut self, parent: usize, key: &str) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(parent) else { return ROOT };
        if let Some(position) = node.by_key.get(key) {
            return node.children.get(*position).map_or(ROOT, |(_, child)| *child);
        }
        node.by_key.insert(key.to_owned(), node.children.len());
        node.children.push((key.to_owned(), next));
        self.nodes.push(Node::default());
        next
    }

    pub(super) fn child(&mut self, node: usize, key: &str) -> Option<usize> {
        let node = self.nodes.get_mut(node)?;
        let guess = node.expected;
        let position = match node.children.get(guess) {
            Some((name, _)) if name == key => guess,
            _ => *node.by_key.get(key)?,
        };
        node.expected = if position + 1 < node.children.len() { position + 1 } else { 0 };
        node.children.get(position).map(|(_, child)| *child)
    }
}
