//! Hash tables for keys that nobody can choose freely: identities, digests, names of a document that was judged.
//!
//! Their hash is seeded anew in each process, but made for speed and not to withstand an attack.

/// How such keys are hashed.
pub(crate) type Hash = foldhash::fast::RandomState;

/// A map of such keys.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, Hash>;
