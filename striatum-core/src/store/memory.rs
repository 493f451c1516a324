//! A store and blobs in memory, for tests and for programs that keep nothing.
