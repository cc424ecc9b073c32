//! The procedure's steps, its plan, and the errors that must never happen.

use maud::{Markup, html};

use super::{f, opt, told};
use crate::metrics::{LACKING, Metrics};
use crate::plot::clock;

/// Steps in their order, sentinel errors, and bone against the plan; nothing where no procedure was chosen.
pub(super) fn process(metrics: &Metrics) -> Markup {
    let process = &metrics.process;
    let Some(procedure) = &process.procedure else {
        return html! {};
    };
    html! {
        section {
            h2 { "Procedure: " (procedure) }
            table.long {
                tr { th { "Step" } th { "" } th.n { "At" } }
                @for step in &process.steps {
                    tr {
                        td { (step.title) }
                        td { span class=(class(step.status)) { (if step.status == LACKING { "nothing to do: not in the case" } else { step.status }) } }
                        td.n { (step.at_s.map(clock).unwrap_or_default()) }
                    }
                }
            }
            @if process.sentinels.is_empty() { p { "No sentinel error." } } @else {
                table {
                    tr { th.n { "At" } th { "Sentinel error" } th { "To" } th.n { "Times" } }
                    @for s in &process.sentinels {
                        tr {
                            td.n { (clock(s.at_s)) }
                            td { (s.what) }
                            td { (s.structure.as_deref().map(|name| told(metrics, name)).unwrap_or_default()) }
                            td.n { (s.times) }
                        }
                    }
                }
            }
            @if let Some(planned) = process.planned_mm3 {
                p { "Bone in the planned zones before: " (f(planned, 0)) " mm³; removed within them and 1.5 mm around: " (opt(process.within_plan_mm3, 0))
                    " mm³; removed elsewhere: " (opt(process.outside_plan_mm3, 0)) " mm³." }
            }
            @if metrics.rests_on_proposed("figures.steps_share") {
                p.small { "Some of the structures that these steps find and free are proposed: how far the procedure came is not judged." }
            }
            p.small { "Steps and errors are an educational outline, not a standard of care." }
        }
    }
}

/// How a step's status is coloured.
fn class(status: &str) -> &'static str {
    match status {
        "done" => "met",
        LACKING => "",
        _ => "missed",
    }
}
