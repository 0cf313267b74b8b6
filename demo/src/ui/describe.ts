// An activity row in words.

import type { ActivityRow, Json } from "../contract";
import { fieldLabel, stepName } from "../screening";
import { shownValue } from "./format";

type Detail = { [name: string]: Json };

const TICKET: Record<string, string> = {
  queued: "put the patient into the queue",
  called: "called the patient",
  serving: "began the service",
  done: "finished the service",
  returned: "gave the ticket back",
  no_show: "marked the patient as not there",
  cancelled: "took the patient out of the queue",
};

/** Null for what would only be noise in a list that people read: each move of somebody's focus. */
export function describe(row: ActivityRow): string | null {
  const detail: Detail = row.detail !== null && typeof row.detail === "object" && !Array.isArray(row.detail) ? row.detail : {};
  const ticket = /^(?:patient_)?ticket_(\w+)$/.exec(row.event)?.[1];
  if (ticket) return TICKET[ticket] ?? row.event;
  switch (row.event) {
    case "user_updated":
      return null;
    case "user_joined":
      return "came in";
    case "user_left":
      return "left";
    case "field_updated":
    case "live_field_updated":
      return `set ${fieldLabel(String(detail.field))} to “${shownValue(detail.value)}”`;
    case "fields_updated":
      return `saved ${fieldsOf(detail)}`;
    case "step_changed":
      return `moved to ${stepName(Number(detail.step))}`;
    case "step_updated":
      return `marked ${stepName(Number(detail.step))} as ${shownValue(detail.status).replace("_", " ")}`;
    case "notification":
      return "told everybody here something";
    default:
      return row.event.replaceAll("_", " ");
  }
}

function fieldsOf({ changes }: Detail): string {
  if (!Array.isArray(changes)) return "several fields together";
  const names = changes.map((change) => fieldLabel(String((change as Detail).field)));
  return `${names.length} fields together: ${names.join(", ")}`;
}
