//! Every public document, and every starter document, gives the result that it must give.

use std::collections::BTreeSet;

use striatum_core::{
    rehearsal::{Answer, JobReport, Options, Report, rehearse},
    run::{Checkpoint, RunStatus},
    sandbox::Level,
    workflow::{Constraint, Finding, FindingCode, Findings, Offers, Rules, Severity, Validated, Workflow},
};

use crate::support::{names, public_workflows, read, repository_file, repository_folder};

/// A document, where it is run, and what must come of it.
struct Case {
    name: &'static str,
    offers: fn() -> Offers,
    required: Required,
}

enum Required {
    Refused(FindingCode),
    /// It is valid, whatever a run would come to is played without a finding, and this holds.
    Sound(fn(&Played)),
}

/// What was seen of a document that was played.
struct Played {
    name: String,
    workflow: Workflow,
    warnings: Vec<Finding>,
    report: Report,
}

impl Played {
    fn job(&self, id: &str) -> &JobReport {
        let job = self.report.jobs.iter().find(|job| job.id.as_str() == id);
        job.unwrap_or_else(|| panic!("{} has no job {id}", self.name))
    }

    /// Runs come to completion by themselves, with a job at each of these attempts and at no other.
    fn completes_at(&self, id: &str, attempts: &[u32]) {
        let seen: Vec<u32> = self.job(id).completed_at.iter().copied().collect();
        assert_eq!(seen, attempts, "{}: {id}", self.name);
    }

    /// A person is asked this about a job, and each of these answers leads to an end.
    fn asks(&self, id: &str, checkpoint: Checkpoint, answers: &[Answer]) {
        let possible = self.job(id).answers_to(checkpoint);
        assert_eq!(possible, answers.iter().copied().collect(), "{}: {id}", self.name);
    }

    fn lints(&self) -> usize {
        self.warnings.iter().filter(|found| found.fingerprint.is_some()).count()
    }
}

const ALL_BUT_RESUME: [Answer; 3] = [Answer::Continue, Answer::Override, Answer::Cancel];

fn walled() -> Offers {
    Offers::process().raise(Constraint::Network, "forbidden", Level::Enforced)
}

const PUBLIC: &[Case] = &[
    Case {
        name: "minimal-self-hosting-proof",
        offers: Offers::process,
        required: Required::Sound(|it| it.completes_at("write_proof", &[1])),
    },
    Case {
        name: "docs-review-flow",
        offers: Offers::process,
        required: Required::Sound(|it| {
            assert!(it.lints() > 0);
            it.completes_at("apply_docs", &[1]);
        }),
    },
    Case {
        name: "failed-review-revision-cycle",
        offers: Offers::process,
        required: Required::Sound(|it| {
            it.completes_at("draft_change", &[1, 2]);
            it.asks("review_change", Checkpoint::RevisionsExhausted, &ALL_BUT_RESUME);
        }),
    },
    Case {
        name: "code-change-flow",
        offers: Offers::process,
        required: Required::Sound(|it| {
            it.completes_at("draft_change", &[1, 2]);
            it.completes_at("apply_change", &[1]);
        }),
    },
    Case {
        name: "human-checkpoint-flow",
        offers: Offers::process,
        required: Required::Sound(|it| {
            it.completes_at("decide", &[1]);
            it.asks("decide", Checkpoint::Planned, &ALL_BUT_RESUME);
        }),
    },
    Case {
        name: "adapter-unavailable-flow",
        offers: Offers::process,
        required: Required::Refused(FindingCode::EnforcementUnavailable),
    },
    Case {
        name: "adapter-unavailable-flow",
        offers: walled,
        required: Required::Sound(|it| it.completes_at("review", &[1])),
    },
    Case {
        name: "support-ledger-flow",
        offers: Offers::process,
        required: Required::Sound(|it| it.completes_at("final_review", &[1])),
    },
    Case {
        name: "rfc-ledger-cleanup",
        offers: Offers::process,
        required: Required::Sound(|it| {
            it.completes_at("synthesis", &[1, 2]);
            it.completes_at("findings_ledger", &[1]);
        }),
    },
    Case {
        name: "divergent-ideation-flow",
        offers: Offers::process,
        required: Required::Sound(|it| it.completes_at("final_synthesis", &[1])),
    },
    Case {
        name: "falsification-gate-flow",
        offers: Offers::process,
        required: Required::Sound(|it| {
            it.completes_at("final_summary", &[1]);
            it.completes_at("holder", &[1]);
            it.completes_at("falsifier_1", &[1, 2]);
            assert_eq!(it.job("falsifier_1").most_attempts, 2, "sent back once");
            it.asks("adjudicate", Checkpoint::RevisionsExhausted, &ALL_BUT_RESUME);
            let adjudicate = it.workflow.jobs.iter().find(|job| job.id.as_str() == "adjudicate").unwrap();
            let ledger = &adjudicate.expected_artifacts[0];
            let names = [1, 2].map(|attempt| ledger.name_at(attempt).unwrap().to_string());
            assert_eq!(names, ["collaboration_ledger_cycle_1", "collaboration_ledger_cycle_2"]);
        }),
    },
    Case {
        name: "rfc-0103-floor",
        offers: Offers::process,
        required: Required::Sound(|it| it.completes_at("present", &[1, 2])),
    },
];

/// Judges and plays a document; nothing if it is refused for what cannot be run yet, and for nothing else.
fn play(test: &str, name: &str, json: &[u8], offers: Offers) -> Option<Result<Played, Findings>> {
    let Validated { workflow, warnings, .. } =
        match Workflow::parse(json, &Rules::strict().with_offers(offers)) {
            Ok(validated) => validated,
            Err(refused) if errors(&refused) == BTreeSet::from([FindingCode::NotYetSupported]) => {
                striatum_testkit::skip(test, &format!("{name} needs what cannot be run yet"));
                return None;
            }
            Err(refused) => return Some(Err(refused)),
        };
    let report = rehearse(&workflow, &Options::default()).unwrap();
    assert_eq!(report.findings, [], "{name}");
    assert!(report.ends[&RunStatus::Completed] > 0, "{name}");
    assert!(report.most_grants <= report.grants_bound, "{name}");
    Some(Ok(Played { name: name.to_owned(), workflow, warnings, report }))
}

fn errors(findings: &Findings) -> BTreeSet<FindingCode> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.code).collect()
}

#[test]
fn every_public_document_gives_its_required_result() {
    let test = "every_public_document_gives_its_required_result";
    let Some(folder) = public_workflows(test) else { return };
    let there = names(&folder).into_iter().filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()));
    let required: BTreeSet<String> = PUBLIC.iter().map(|case| case.name.to_owned()).collect();
    assert_eq!(required, there.collect(), "each document has its row");
    for Case { name, offers, required } in PUBLIC {
        let json = read(&folder, &format!("{name}.json"));
        match (play(test, name, &json, offers()), required) {
            (None, _) => {}
            (Some(Ok(played)), Required::Sound(holds)) => holds(&played),
            (Some(Err(refused)), Required::Refused(code)) => {
                assert_eq!(errors(&refused), BTreeSet::from([*code]), "{name}");
            }
            (Some(Ok(_)), Required::Refused(code)) => panic!("{name} is not refused with {code}"),
            (Some(Err(refused)), Required::Sound(_)) => panic!("{name}: {refused}"),
        }
    }
}

#[test]
fn every_starter_document_plays_to_its_ends() {
    let test = "every_starter_document_plays_to_its_ends";
    for name in repository_folder("examples/workflows") {
        let json = repository_file(&format!("examples/workflows/{name}/workflow.json"));
        match play(test, &name, json.as_bytes(), Offers::process()) {
            None => {}
            Some(Err(refused)) => panic!("{name}: {refused}"),
            Some(Ok(played)) => {
                assert_eq!(played.warnings, [], "{name}");
                for way in &played.workflow.cycles {
                    let spent = played.job(way.from.as_str()).answers_to(Checkpoint::RevisionsExhausted);
                    assert_eq!(spent, ALL_BUT_RESUME.into(), "{name}: {}", way.from);
                    assert!(played.job(way.to.as_str()).completed_at.contains(&2), "{name}: {}", way.to);
                }
            }
        }
    }
}
