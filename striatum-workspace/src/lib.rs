//! Git trees, submissions, delivery and blobs for Striatum.
