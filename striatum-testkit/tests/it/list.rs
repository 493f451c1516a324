//! The list of cases is complete.

use std::{collections::BTreeSet, fs, path::Path};

use striatum_testkit::{sandbox, store, transport};

#[test]
fn every_case_that_is_written_is_in_the_list() {
    let stores: Vec<&str> = store::cases().iter().map(store::Case::name).collect();
    let transports: Vec<&str> = transport::cases().iter().map(transport::Case::name).collect();
    let sandboxes: Vec<&str> = sandbox::cases().iter().map(|case| case.name()).collect();
    for (sources, all) in [("src/store", stores), ("src/transport", transports), ("src/sandbox", sandboxes)] {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join(sources);
        let mut written = BTreeSet::new();
        for file in fs::read_dir(&sources).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            let names = text.lines().filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
            written.extend(names.map(str::to_owned));
        }
        let listed: BTreeSet<_> = all.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(listed, written, "{}", sources.display());
        assert_eq!(listed.len(), all.len(), "two cases have the same name");
    }
}
