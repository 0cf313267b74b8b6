// The waiting list, and the tickets that this window has called. The token of a claim is known to nobody else.

import { computed, signal } from "@preact/signals";
import type { Answer, Priority, QueueRow, TicketFact } from "../contract";
import { newOp } from "../ids";
import { createFigures } from "./figures";
import type { Call } from "../socket";
import type { Say } from "./toasts";

export const QUEUE = "screening";
const STATION = "confer.station"; // kept for this window alone

export interface Claim {
  ticket: string;
  token: string;
  patient_id: string;
  until: string | null;
}
const ACTIONS = {
  queue_serve: "Start", queue_recall: "Call again", queue_done: "Done", queue_requeue: "Give back", queue_no_show: "No show",
  queue_hold: "Hold",
};
const KEEPS: ReadonlySet<string> = new Set(["queue_serve", "queue_recall"]); // the claim goes on
export type ClaimAction = keyof typeof ACTIONS;

export function createQueue(call: Call, say: Say) {
  const rows = signal<readonly QueueRow[]>([]);
  const available = signal(true);
  const closed = signal<string | null>(null); // why this person does not see the queue any more
  const claims = signal<readonly Claim[]>([]);
  const station = signal(sessionStorage.getItem(STATION) ?? ""); // where this person calls patients to
  const figures = createFigures(QUEUE, call);
  station.subscribe((name) => sessionStorage.setItem(STATION, name));
  const waiting = computed(() => rows.value.filter((row) => row.status === "waiting").length);

  async function enqueue(patient_id: string, priority: Priority): Promise<void> {
    const answer = await call("queue_enqueue", { queue: QUEUE, patient_id, priority, op: newOp() });
    if (answer.status !== "ok") return say("warning", "The patient was not added", answer.message);
    const place = answer.queue_position ? `Position ${answer.queue_position}` : undefined;
    say("success", `${patient_id} is in the queue`, place);
  }

  async function callNext(): Promise<void> {
    const to = station.peek().trim();
    const answer = await call("queue_call_next", { queue: QUEUE, ...(to && { station: to }), op: newOp() });
    if (answer.status !== "ok") return say("warning", "Nobody was called", answer.message);
    const { ticket, token, claimed_until } = answer;
    if (!ticket || !token) return say("info", "Nobody is waiting");
    claims.value = [...claims.value, { ticket: ticket.ticket, token, patient_id: ticket.patient_id, until: claimed_until }];
  }

  async function act(action: ClaimAction, claim: Claim): Promise<void> {
    const { ticket, token } = claim;
    const answer = await call(action, { queue: QUEUE, ticket, token, op: newOp() });
    if (answer.status !== "ok") {
      say("warning", `“${ACTIONS[action]}” was not possible`, answer.message);
      if (answer.retry) return;
    }
    if (answer.status !== "ok" || !KEEPS.has(action) || answer.ticket?.status === "no_show") drop(ticket);
  }

  // What anybody of the staff may do with a ticket that nobody holds.
  const cancel = (ticket: string) => change("taken out", call("queue_cancel", { queue: QUEUE, ticket, op: newOp() }));
  const hold = (ticket: string) => change("put on hold", call("queue_hold", { queue: QUEUE, ticket, op: newOp() }));
  const resume = (ticket: string) => change("resumed", call("queue_resume", { queue: QUEUE, ticket, op: newOp() }));
  const setPriority = (ticket: string, priority: Priority) =>
    change("changed", call("queue_priority", { queue: QUEUE, ticket, priority, op: newOp() }));
  const toTheFront = (ticket: string) =>
    change("moved", call("queue_move", { queue: QUEUE, ticket, position: 1, reason: "moved to the front", op: newOp() }));
  const transfer = (ticket: string, to: string) =>
    change("transferred", call("queue_transfer", { queue: QUEUE, ticket, to, op: newOp() }));

  async function change(what: string, answering: Promise<Answer>): Promise<void> {
    const answer = await answering;
    if (answer.status !== "ok") say("warning", `The ticket was not ${what}`, answer.message);
  }

  function close(why: string): void {
    rows.value = [];
    claims.value = [];
    closed.value = why;
  }

  function drop(ticket: string): void {
    claims.value = claims.value.filter((claim) => claim.ticket !== ticket);
  }

  /** A ticket left its holder's hands, perhaps by itself: the claim ran out. */
  function ended(fact: TicketFact): void {
    if (fact.reason && claims.value.some((claim) => claim.ticket === fact.ticket)) {
      say("info", `${fact.patient_id} is back in the queue`, fact.reason);
    }
    drop(fact.ticket);
  }

  return {
    rows, available, closed, claims, station, figures, waiting, enqueue, callNext, act, cancel, hold, resume,
    setPriority, toTheFront, transfer, ended, close,
  };
}

export type Queue = ReturnType<typeof createQueue>;
