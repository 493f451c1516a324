//! Whether what a lane demands is given: a demand that cannot be met refuses the document, and nothing is downgraded.

use super::{
    known::Context,
    report::{Detail, Pointer},
};
use crate::{
    id::LaneId,
    workflow::{FindingCode, Lane, Severity, Shortfall, Workflow},
};

pub(super) fn judge(workflow: &Workflow, context: &Context<'_>) {
    for (name, lane) in &workflow.lanes {
        judge_lane(name, lane, context);
    }
}

fn judge_lane(name: &LaneId, lane: &Lane, context: &Context<'_>) {
    for Shortfall { constraint, value, required, offered } in
        context.rules.offers_of(&lane.adapter).shortfalls(lane)
    {
        context.report.add(Severity::Error, FindingCode::EnforcementUnavailable, || {
            let pointer = Pointer::default().key("lanes").key(name.as_str()).key("required_enforcement");
            let message = match value {
                Some(value) => {
                    format!("{constraint}={value} must be {required}, and what is offered is {offered}")
                }
                None => format!("{constraint} must be {required}, and constraints does not say to what"),
            };
            Detail::new(pointer.key(&constraint.to_string()).into_text(), message)
                .suggest(Some(offered.to_string()))
        });
    }
}
