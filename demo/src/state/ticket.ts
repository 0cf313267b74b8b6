// One ticket while somebody looks at it: what happened to it, here and in the queues before; notes, and who is to care.

import { signal } from "@preact/signals";
import type { Answer, TicketFact, TicketPast } from "../contract";
import { newOp } from "../ids";
import type { Call } from "../socket";
import { QUEUE } from "./queue";
import type { Say } from "./toasts";

const EVENTS = 200;

export function createTicket(call: Call, say: Say) {
  const shown = signal<string | null>(null); // the ticket's id; null: nobody looks
  const past = signal<TicketPast | null>(null);
  let patient = "";

  function open(ticket: string, of: string): void {
    shown.value = ticket;
    patient = of;
    past.value = null;
    void load();
  }

  function close(): void {
    shown.value = null;
  }

  async function load(): Promise<void> {
    const ticket = shown.peek();
    if (ticket === null) return;
    const answer = await call("queue_ticket", { queue: QUEUE, ticket, patient_id: patient, limit: EVENTS });
    if (shown.peek() !== ticket) return;
    if (answer.status === "ok") past.value = answer;
    else say("warning", "The ticket cannot be read", answer.message);
  }

  /** Something happened to a ticket of the queue. */
  function changed(fact: TicketFact): void {
    if (fact.ticket === shown.peek()) void load();
  }

  async function did(what: string, answering: Promise<Answer>): Promise<boolean> {
    const answer = await answering;
    if (answer.status !== "ok") say("warning", `${what} was not possible`, answer.message);
    return answer.status === "ok";
  }

  const on = () => ({ queue: QUEUE, ticket: shown.peek()!, op: newOp() });
  const note = (text: string) => did("The note", call("queue_note", { ...on(), text }));
  const assign = (user_id: string) => did("Assigning", call("queue_assign", { ...on(), user_id }));
  const unassign = (user_id: string) => did("This", call("queue_unassign", { ...on(), user_id }));

  return { shown, past, open, close, changed, note, assign, unassign };
}

export type TicketState = ReturnType<typeof createTicket>;
