// Notes that somebody must acknowledge: each is shown until somebody has, on this page or on any other.

import { computed, signal } from "@preact/signals";
import type { Acknowledgement, Closed, Notification, Reminder } from "../contract";
import { newOp } from "../ids";
import type { Call } from "../socket";
import type { Say } from "./toasts";

/** `id` is what is acknowledged; `reminders`: how many there were. */
export interface Demand {
  id: string;
  title: string;
  message: string;
  type: string;
  from: string | null;
  timestamp: string;
  reminders: number;
}

export function createDemands(me: string, call: Call, nameOf: (userId: string) => string, say: Say) {
  const open = signal<ReadonlyMap<string, Demand>>(new Map());
  const over = new Set<string>(); // what a page of the inbox from before must not open again
  const next = computed(() => [...open.value.values()][0]);

  function put(demand: Demand): void {
    if (!over.has(demand.id)) open.value = new Map(open.value).set(demand.id, demand);
  }

  function remove(id: string): void {
    over.add(id);
    const left = new Map(open.value);
    if (left.delete(id)) open.value = left;
  }

  /** What the inbox holds, or what has just come. */
  function seen(items: readonly Notification[]): void {
    for (const { acknowledge: asked, title, message, type, from_user: from, timestamp } of items) {
      if (asked && asked.state !== "open") remove(asked.id);
      else if (asked && !open.peek().has(asked.id)) put({ id: asked.id, title, message, type, from, timestamp, reminders: 0 });
    }
  }

  function reminded({ acknowledge, number, title, message, type, from_user: from, timestamp }: Reminder): void {
    put({ id: acknowledge.id, title, message, type, from, timestamp, reminders: number });
  }

  function closed({ acknowledge }: Pick<Closed, "acknowledge">): void {
    const demand = open.peek().get(acknowledge.id);
    remove(acknowledge.id);
    if (demand && acknowledge.by !== me) say("info", demand.title, ending(acknowledge));
  }

  function ending({ state, by }: Acknowledgement): string {
    if (by && state === "acknowledged") return `${nameOf(by)} acknowledged it.`;
    return state === "given_up" ? "Nobody acknowledged it in time." : "It need no longer be acknowledged.";
  }

  async function acknowledge(demand: Demand): Promise<void> {
    const answer = await call("notification_acknowledge", { id: demand.id, op: newOp() });
    if (answer.status === "ok") closed({ acknowledge: answer.acknowledge });
    else if (answer.code === "not_found") remove(demand.id);
    else say("warning", "Not acknowledged yet", answer.message);
  }

  return { next, seen, reminded, closed, acknowledge };
}
