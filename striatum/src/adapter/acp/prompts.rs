//! What an agent is told after a turn that did not end its task.

pub(super) const NUDGE: &str = "Your turn has ended, and no outcome is recorded: nothing that you did counts yet. If the work is done, call the \
    tool that ends it (`complete_work`, or `submit_review` for a review). If it was refused, mend what the answer said and call again. If \
    the work is not done, go on. If you cannot, call `ask_human`, `block_work` or `report_failure`.";

pub(super) const ANSWER: &str = "Your turn has ended, and no answer is recorded. Call the tool `answer`; if you cannot answer, call `report_failure`. \
    `get_packet` returns the question.";

pub(super) const STALLED: &str = "Your last turn was cancelled because nothing happened in it for a long time. Go on with your task, without \
    whatever it was waiting for, and end it by its tool. `get_packet` returns it.";

pub(super) const GO_ON: &str = "Your last turn was cut short by a limit of your model's host, which should be lifted. Go on with your task, and end it \
    by its tool. `get_packet` returns it.";
