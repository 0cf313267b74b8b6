// An activity row in words.

import type { ActivityChange, ActivityRow, Json } from "../contract";
import { fieldLabel, stepName } from "../screening";
import { shownValue } from "./format";

type Detail = { [name: string]: Json };

const TICKET: Record<string, string> = {
  queued: "put the patient into the queue",
  called: "called the patient",
  recalled: "called the patient again",
  serving: "began the service",
  held: "put the ticket on hold",
  resumed: "took the ticket off hold",
  moved: "moved the ticket",
  priority_changed: "changed the ticket’s priority",
  transferred: "sent the patient to another queue",
  done: "finished the service",
  returned: "gave the ticket back",
  no_show: "marked the patient as not there",
  cancelled: "took the patient out of the queue",
};
/** What is worth a word beside the row. */
export const OUTCOMES: Record<string, string> = {
  overwrote: "over another’s",
  merged: "put together",
  conflict: "conflict",
  invalid: "not accepted",
  forbidden: "not allowed",
  limit_exceeded: "too much",
};

export function describe(row: ActivityRow): string {
  const detail: Detail = row.detail !== null && typeof row.detail === "object" && !Array.isArray(row.detail) ? row.detail : {};
  const ticket = /^(?:patient_)?ticket_(\w+)$/.exec(row.event)?.[1];
  if (ticket) return TICKET[ticket] ?? row.event;
  if (row.kind === "read") return "looked at the record";
  if (row.kind === "refusal") return `was refused: ${String(detail.event ?? row.event).replaceAll("_", " ")}`;
  switch (row.event) {
    case "user_joined":
      return "came in";
    case "user_left":
      return "left";
    case "field_updated":
    case "live_field_updated":
      return row.changes.map((change) => wrote(change, detail)).join(", ");
    case "fields_updated":
      return `saved ${row.changes.length} fields together: ${row.changes.map(({ name }) => fieldLabel(name)).join(", ")}`;
    case "field_locked":
      return `${detail.taken_from ? "took over the lock of" : "locked"} ${fieldLabel(String(detail.field))}`;
    case "field_unlocked":
      return detail.reason === "released" ? `unlocked ${fieldLabel(String(detail.field))}` : `no longer has the lock of ${fieldLabel(String(detail.field))}`;
    case "step_changed":
      return `moved to ${stepName(Number(detail.step))}${took(detail)}`;
    case "step_updated":
      return `marked ${stepName(Number(detail.step))} as ${shownValue(detail.status).replace("_", " ")}${took(detail)}`;
    case "notification":
      return "told everybody here something";
    default:
      return row.event.replaceAll("_", " ");
  }
}

function wrote({ name, old, new: now, unknown, omitted }: ActivityChange, detail: Detail): string {
  const how = typeof detail.restored === "number" ? "restored" : "set";
  const was = unknown || omitted || old === null || old === "" ? "" : ` (was “${shownValue(old)}”)`;
  return `${how} ${fieldLabel(name)} to “${omitted ? "a long value" : shownValue(now)}”${was}`;
}

/** How long the step took that was completed by this. */
function took({ duration_s: seconds }: Detail): string {
  if (typeof seconds !== "number") return "";
  return seconds < 90 ? `, after ${Math.max(1, Math.round(seconds))} s` : `, after ${Math.round(seconds / 60)} min`;
}
