//! Why a command does not apply.

use crate::{
    digest::Digest,
    id::{ArtifactName, CommandId, JobId, SessionId},
    run::{JobStatus, RunStatus},
};

macro_rules! rejections {
    ($($(#[$doc:meta])* $name:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })?
        = $code:literal, $text:literal, $remedy:literal;)*) => {
        /// Why a command does not apply to the state of its run. A refusal is final: the same command will be refused again
        /// until the run has changed.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum Rejection {
            $($(#[$doc])* #[error($text)] $name $({ $($(#[$field_doc])* $field: $type,)* })?,)*
        }

        impl Rejection {
            /// Every code with its remedy, as `docs/errors.md` lists them.
            pub const CODES: &'static [(&'static str, &'static str)] = &[$(($code, $remedy),)*];

            /// The stable code.
            pub const fn code(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $code,)*
                }
            }

            /// What to do next.
            pub const fn remedy(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $remedy,)*
                }
            }
        }
    };
}

rejections! {
    /// The run has no event yet.
    NotPrepared = "run_not_prepared",
        "the run is not prepared",
        "prepare the run first";
    /// The run exists.
    AlreadyPrepared = "run_already_prepared",
        "the run is prepared already",
        "use the run as it is, or prepare another under a new id";
    /// The run is in another state than the command needs.
    RunStatus { /** Where it stands. */ status: RunStatus } = "run_status",
        "the run is {status}",
        "look at the run's state; what it can do next depends on it";
    /// The run is paused.
    Paused = "run_paused",
        "the run is paused",
        "resume the run, then claim";
    /// The name is no branch name.
    BranchName { /** The name. */ branch: String } = "branch_name",
        "{branch:?} is not a name for a branch",
        "choose a name that git accepts as a branch";
    /// There is no such job.
    UnknownJob { /** The name. */ job: JobId } = "job_unknown",
        "the workflow has no job {job}",
        "use a job id of this run's workflow";
    /// The job is in another state than the command needs.
    JobStatus { /** The job. */ job: JobId, /** Where it stands. */ status: JobStatus } = "job_status",
        "job {job} is {status}",
        "read the job's state; somebody else may have moved it";
    /// The fence is not, or no longer, the live one.
    StaleFence { /** The job. */ job: JobId, /** The epoch of the fence. */ epoch: u32 } = "stale_fence",
        "grant {epoch} of job {job} is over",
        "stop working on it: the job was taken away, and what you do now does not count";
    /// As many jobs are held as the workflow allows.
    NoRoom { /** The limit. */ limit: u32 } = "no_room",
        "{limit} jobs are held already, which is the limit",
        "wait until one of them ends";
    /// The session belongs to another role or lane.
    SessionMismatch { /** The job. */ job: JobId, /** The session. */ session: SessionId } = "session_mismatch",
        "session {session} was registered for another role or lane than job {job} wants",
        "claim the job with a session of its own role and lane";
    /// The session holds another job.
    SessionBusy { /** The job that it holds. */ job: JobId } = "session_busy",
        "the session holds job {job}",
        "end that job first, or claim with a new session";
    /// The job wants a session that has done nothing yet.
    SessionNotFresh { /** The job. */ job: JobId } = "session_not_fresh",
        "job {job} wants a fresh session",
        "claim the job with a new session";
    /// The session took part in what it would judge.
    NotIndependent { /** The review. */ job: JobId, /** What it took part in. */ took_part_in: JobId } = "not_independent",
        "the session took part in {took_part_in}, which job {job} judges",
        "claim the review with a session that did not work on anything it judges";
    /// Author and reviewer are declared to be of one family of models.
    SameModel { /** The review. */ job: JobId, /** What the author made. */ author: JobId, /** The reviewer's model. */ model: String } = "same_model",
        "job {job} runs on {model}, which is of the same family as the model that makes {author}",
        "give the review to a lane with another model, or accept the pair by a decision on the review";
    /// A job of the same parallel group that may write to the same place is held.
    ScopeTaken { /** The job. */ job: JobId, /** The one that is held. */ by: JobId } = "scope_taken",
        "job {job} may write where job {by}, which is held, may write",
        "wait until that job ends";
    /// The outcome is of the wrong kind.
    WrongOutcome { /** The job. */ job: JobId, /** What it ends with. */ wants: &'static str } = "wrong_outcome",
        "job {job} ends with {wants}",
        "submit again with the kind of outcome that the job wants";
    /// Required artifacts are not there.
    ArtifactsMissing { /** The job. */ job: JobId, /** Their names and paths. */ missing: Names } = "artifacts_missing",
        "required artifacts of job {job} are missing: {missing}",
        "write each artifact to its path and submit again";
    /// The name is not declared.
    ArtifactUnknown { /** The job. */ job: JobId, /** The name. */ name: ArtifactName } = "artifact_unknown",
        "job {job} declares no artifact {name}",
        "publish only artifacts that the packet expects";
    /// The path is not the declared one.
    ArtifactMisplaced { /** The name. */ name: ArtifactName, /** Where it belongs. */ path: String } = "artifact_misplaced",
        "artifact {name} belongs at {path}",
        "write the artifact to that path";
    /// Other bytes were published under this name at this attempt.
    ArtifactExists { /** The name. */ name: ArtifactName, /** What was published. */ published: Digest } = "artifact_exists",
        "artifact {name} was published with other bytes ({published})",
        "leave what was published as it is; a new attempt can publish anew";
    /// Paths outside the write scope were changed.
    ScopeViolation { /** The job. */ job: JobId, /** The paths. */ paths: Names } = "scope_violation",
        "job {job} changed paths outside its write scope: {paths}",
        "undo the changes to these paths and submit again";
    /// The review is the same as the last although what it judges is not.
    ReviewByteIdentical { /** The review. */ job: JobId } = "review_byte_identical",
        "the artifacts of review {job} are byte for byte those of its last verdict, although what it judges has changed",
        "judge the present work and write the review anew";
    /// The actor may not do this.
    PrincipalRequired = "principal_required",
        "this is for a person to do",
        "ask a person to do it in their own name";
    /// There is no accepting decision on the job.
    DecisionRequired { /** The job. */ job: JobId, /** The number that was given. */ decision: u32 } = "decision_required",
        "decision {decision} is no accepting decision on job {job} at its present attempt",
        "record an accepting decision on the job first, and name it";
    /// The job does not wait for this.
    ResolutionImpossible { /** The job. */ job: JobId, /** What can be done. */ possible: &'static str } = "resolution_impossible",
        "job {job} cannot be resolved this way; possible: {possible}",
        "choose one of the ways that are possible";
    /// The job has not ended, or has ended well.
    NotRetryable { /** The job. */ job: JobId, /** Where it stands. */ status: JobStatus } = "not_retryable",
        "job {job} is {status}; only a job that ended without success can be retried",
        "wait for its end, or resolve what it waits for";
    /// There is nothing that could be superseded.
    NotSupersedable { /** The job. */ job: JobId, /** The attempt that was named. */ attempt: u32 } = "not_supersedable",
        "job {job} has at attempt {attempt} nothing that a person could put something else in place of",
        "read the job again and name its present attempt; only what a completed job published that judges nothing can be superseded";
    /// No such question waits for an answer.
    QuestionUnknown { /** Its number. */ question: u32 } = "question_unknown",
        "question {question} does not wait for an answer",
        "read the run's open questions; it may have been answered, or its job may have moved on";
    /// The job cannot be asked by this one.
    NotInterrogable { /** The job that asks. */ job: JobId, /** The job that is asked. */ asked: JobId } = "not_interrogable",
        "job {job} cannot ask job {asked}",
        "ask one of the jobs that the task names, or a person";
    /// The job has asked others as often as it may.
    TooManyQuestions { /** The job. */ job: JobId, /** How often. */ limit: u32 } = "too_many_questions",
        "job {job} has asked other jobs {limit} times at this attempt, which is the limit",
        "decide by what you know, or ask a person";
    /// The grant has asked for leave as often as it may.
    TooManyRequests { /** The job. */ job: JobId, /** How often. */ limit: usize } = "too_many_requests",
        "the agent of job {job} has asked for leave {limit} times, which is the limit",
        "go on without what needs leave, or report what stands in the way";
    /// No such escalation is open.
    EscalationUnknown { /** Its number. */ escalation: u32 } = "escalation_unknown",
        "escalation {escalation} is not open",
        "read the run's escalations; it may have been resolved";
    /// As many proposals of the job wait as may.
    TooManyProposals { /** The job. */ job: JobId, /** How many. */ limit: usize } = "too_many_proposals",
        "{limit} proposals of job {job} wait for a person already",
        "put what you have to propose into the work that you hand in, or wait until a person has ruled";
    /// The result differs from what was judged, and the workflow does not deliver such a result by itself.
    DeliveryNotJudged { /** How many files differ. */ files: usize } = "delivery_not_judged",
        "{files} of the files to deliver differ from what was judged",
        "withhold the delivery, so that a principal is asked, or have the present files judged";
    /// Something that was to be confirmed is not owed.
    NothingOwed = "nothing_owed",
        "nothing of this kind is owed",
        "read the run again and act on what is pending";
    /// The command id was used for something else.
    CommandReused { /** The id. */ command: CommandId } = "command_reused",
        "command {command} was given before with another content",
        "give each intent an id of its own";
    /// The machine contradicted itself.
    Defect { /** What happened. */ detail: String } = "engine_defect",
        "the machine contradicted itself: {detail}",
        "report this as a defect of striatum, with the run's events";
}

/// Several names, shown with commas between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl std::fmt::Display for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}
