//! What a crash leaves that goes wrong.

use striatum_core::{run::Bodies, store::Batch};

use super::Fault;

/// The batches that a store was asked to append, in order.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) appended: Vec<Batch>,
    pub(super) refused: Vec<Batch>,
}

impl Asked {
    /// What a crash that goes wrong leaves of what was asked; nothing if it goes well.
    pub(super) fn left(&self, fault: Fault) -> Option<Vec<Batch>> {
        let mut batches = self.appended.clone();
        match fault {
            Fault::AcknowledgesEarly => drop(batches.pop()),
            Fault::LeavesHalves => {
                let last = batches.pop()?;
                let half: Bodies = last.bodies().iter().take(last.bodies().len().div_ceil(2)).collect();
                let (chain, expected, delta) = (last.chain().clone(), last.expected(), last.delta().clone());
                batches.push(Batch::new(chain, last.run(), expected, half, delta).unwrap());
            }
            Fault::KeepsWhatItRefused => batches.extend(self.refused.last().cloned()),
            _ => return None,
        }
        Some(batches)
    }
}
