// Everybody in the room in detail, page by page, when somebody asks.

import { signal } from "@preact/signals";
import type { PersonHere } from "../contract";
import type { Call } from "../socket";
import type { Say } from "./toasts";

const PAGE = 100;

export function createPeople(patient: () => string, call: Call, say: Say) {
  const shown = signal<readonly PersonHere[] | null>(null); // null: nobody has asked
  const next = signal<string | null>(null);

  async function open(): Promise<void> {
    shown.value = [];
    await load(null);
  }

  async function load(after: string | null): Promise<void> {
    const answer = await call("presence_get", { patient_id: patient(), limit: PAGE, ...(after !== null && { after }) });
    if (shown.value === null) return;
    if (answer.status !== "ok") return say("warning", "Who is here cannot be read", answer.message);
    shown.value = after === null ? answer.users : [...shown.value, ...answer.users];
    next.value = answer.next;
  }

  function close(): void {
    shown.value = null;
    next.value = null;
  }

  return { shown, next, open, more: () => void load(next.peek()), close };
}

export type PeopleHere = ReturnType<typeof createPeople>;

/** What this window is, by how it is touched and how wide it is. */
export function device(): string {
  if (!matchMedia("(pointer: coarse)").matches) return "computer";
  return matchMedia("(min-width: 600px)").matches ? "tablet" : "phone";
}
