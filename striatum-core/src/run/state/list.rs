//! A list of which every command makes another version.

use std::{
    ops::{Index, IndexMut},
    sync::Arc,
};

/// How many items, or lists of items, stand side by side.
const WIDTH: usize = 1 << BITS;
const BITS: u32 = 5;

/// A list of fixed length. A clone shares its items, and all that leads to them, until one of the two is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::run) struct List<T> {
    root: Node<T>,
    length: usize,
    /// By how many bits the place of an item is shifted to find it below the root.
    shift: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Node<T> {
    Items(Arc<[Arc<T>]>),
    Nodes(Arc<[Self]>),
}

// Whatever the items are, which are shared.
impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Items(items) => Self::Items(items.clone()),
            Self::Nodes(nodes) => Self::Nodes(nodes.clone()),
        }
    }
}

impl<T> List<T> {
    /// A list with this item at every place.
    pub(in crate::run) fn filled(length: usize, item: T) -> Self {
        let item = Arc::new(item);
        let items = vec![item; length];
        let mut nodes: Vec<_> = items.chunks(WIDTH).map(|items| Node::Items(items.into())).collect();
        let mut shift = 0;
        while nodes.len() > 1 {
            nodes = nodes.chunks(WIDTH).map(|nodes| Node::Nodes(nodes.into())).collect();
            shift += BITS;
        }
        let root = nodes.pop().unwrap_or_else(|| Node::Items(Arc::default()));
        Self { root, length, shift }
    }

    pub(in crate::run) fn len(&self) -> usize {
        self.length
    }

    pub(in crate::run) fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        (0..self.length).map(|place| &self[place])
    }
}

impl<T> Index<usize> for List<T> {
    type Output = T;

    fn index(&self, mut place: usize) -> &T {
        let (mut node, mut shift) = (&self.root, self.shift);
        loop {
            match node {
                Node::Items(items) => return &items[place],
                Node::Nodes(nodes) => {
                    node = &nodes[place >> shift];
                    place &= (1 << shift) - 1;
                    shift -= BITS;
                }
            }
        }
    }
}

impl<T: Clone> IndexMut<usize> for List<T> {
    fn index_mut(&mut self, mut place: usize) -> &mut T {
        let (mut node, mut shift) = (&mut self.root, self.shift);
        loop {
            match node {
                Node::Items(items) => return Arc::make_mut(&mut Arc::make_mut(items)[place]),
                Node::Nodes(nodes) => {
                    node = &mut Arc::make_mut(nodes)[place >> shift];
                    place &= (1 << shift) - 1;
                    shift -= BITS;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_had_whatever_the_length() {
        for length in [0, 1, 2, WIDTH - 1, WIDTH, WIDTH + 1, WIDTH * WIDTH, WIDTH * WIDTH + 1, 3000] {
            let mut list = List::filled(length, usize::MAX);
            for place in 0..length {
                let before = list.clone();
                list[place] = place;
                assert_eq!((before[place], list[place]), (usize::MAX, place));
            }
            assert_eq!(list.len(), length);
            assert!(list.iter().copied().eq(0..length), "{length}");
        }
    }

    #[test]
    #[should_panic(expected = "out of bounds")]
    fn behind_the_last_item_there_is_nothing() {
        assert_eq!(List::filled(WIDTH + 1, 0)[WIDTH + 1], 0);
    }
}
