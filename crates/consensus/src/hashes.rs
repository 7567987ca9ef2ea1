//! State hashes by log index, kept for a while so that members can compare them. It compares and tells; it decides nothing.
use crate::limits::HASHES_KEPT;
use api::revision::Revision;
use std::collections::{BTreeMap, VecDeque};
use store::view::StateHash;

/// The hashes of the newest entries.
#[derive(Default)]
pub(crate) struct Hashes {
    own: VecDeque<(u64, Revision, StateHash)>,
    /// What a majority has at indexes that this member has not reached yet.
    expected: BTreeMap<u64, StateHash>,
}

impl Hashes {
    /// Notes the revision and the hash at `index`; an error is what the majority has there instead.
    pub(crate) fn note(&mut self, index: u64, revision: Revision, hash: StateHash) -> Result<(), StateHash> {
        self.own.push_back((index, revision, hash));
        if self.own.len() > HASHES_KEPT {
            self.own.pop_front();
        }
        while let Some(first) = self.expected.first_entry()
            && *first.key() <= index
        {
            let (at, expected) = first.remove_entry();
            if at == index && expected != hash {
                return Err(expected);
            }
        }
        Ok(())
    }

    pub(crate) fn at(&self, index: u64) -> Option<StateHash> {
        self.state_at(index).map(|(_, hash)| hash)
    }

    /// The revision and the hash after the entry at `index`, if it is one of the newest.
    pub(crate) fn state_at(&self, index: u64) -> Option<(Revision, StateHash)> {
        let place = self.own.binary_search_by_key(&index, |(index, _, _)| *index).ok()?;
        self.own.get(place).map(|(_, revision, hash)| (*revision, *hash))
    }

    pub(crate) fn newest(&self) -> Option<(u64, StateHash)> {
        self.own.back().map(|(index, _, hash)| (*index, *hash))
    }

    /// A majority has `hash` at `index`; an error is what this member has there instead.
    pub(crate) fn expect(&mut self, index: u64, hash: StateHash) -> Result<(), StateHash> {
        match self.at(index) {
            Some(own) if own == hash => Ok(()),
            Some(own) => Err(own),
            None => {
                if self.own.back().is_none_or(|(newest, _, _)| *newest < index) {
                    self.expected.insert(index, hash);
                    while self.expected.len() > HASHES_KEPT {
                        self.expected.pop_first();
                    }
                }
                Ok(())
            }
        }
    }

    /// The state was replaced as a whole.
    pub(crate) fn clear(&mut self) {
        self.own.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_noticed_before_and_after_it_is_reached() {
        let mut hashes = Hashes::default();
        assert_eq!(hashes.note(1, Revision(1), StateHash(10)), Ok(()));
        assert_eq!(hashes.expect(1, StateHash(10)), Ok(()));
        assert_eq!(hashes.expect(1, StateHash(11)), Err(StateHash(10)));
        assert_eq!(hashes.expect(3, StateHash(30)), Ok(()));
        assert_eq!(hashes.note(2, Revision(2), StateHash(20)), Ok(()));
        assert_eq!(hashes.note(3, Revision(3), StateHash(31)), Err(StateHash(30)));
        assert_eq!(hashes.state_at(2), Some((Revision(2), StateHash(20))));
        assert_eq!(hashes.newest(), Some((3, StateHash(31))));
    }
}
