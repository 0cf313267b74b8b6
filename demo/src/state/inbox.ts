// Notifications and direct messages. The server counts what is unread; what was sent to a room is live only.

import { computed, signal } from "@preact/signals";
import type { Addressee, NewMessage, Notification, NotificationRead } from "../contract";
import { newOp } from "../ids";
import type { Call } from "../socket";
import type { Say } from "./toasts";

const PAGE = 30;
const ASK_AGAIN_MS = 3000;

export function createInbox(call: Call, nameOf: (userId: string) => string, say: Say) {
  const kept = signal<readonly Notification[]>([]);
  const live = signal<readonly Notification[]>([]);
  const unread = signal(0);
  const available = signal(true);
  const items = computed(() => {
    const ids = new Set(kept.value.map((item) => item.id));
    const all = [...kept.value, ...live.value.filter((item) => !ids.has(item.id))];
    return all.sort((a, b) => b.timestamp.localeCompare(a.timestamp)).slice(0, PAGE);
  });

  let again: ReturnType<typeof setTimeout> | undefined;

  async function load(): Promise<void> {
    clearTimeout(again);
    const answer = await call("notification_inbox", { limit: PAGE });
    available.value = answer.status === "ok";
    if (answer.status !== "ok") {
      if (answer.retry) again = setTimeout(() => void load(), ASK_AGAIN_MS);
      return;
    }
    kept.value = answer.notifications;
    unread.value = answer.unread;
  }

  function arrived(item: Notification): void {
    if (items.value.some((known) => known.id === item.id)) return;
    live.value = [item, ...live.value].slice(0, PAGE);
    const tone = item.type === "message" ? "info" : item.type;
    say(tone, item.title, item.message);
    void load();
  }

  function messageArrived({ id, from_user, message, timestamp }: NewMessage): void {
    const title = `Message from ${nameOf(from_user)}`;
    arrived({ id, type: "message", priority: "normal", title, message, timestamp, read: false, from_user });
  }

  /** On this tab or on another one of the same person. */
  function wasRead(fact: NotificationRead): void {
    unread.value = fact.unread;
    kept.value = kept.value.map((item) => (fact.ids.includes(item.id) ? { ...item, read: true } : item));
    if (fact.up_to !== null || !fact.ids.length) void load();
  }

  const isKept = (id: string): boolean => kept.value.some((item) => item.id === id);

  async function read(which: { ids: string[] } | { all: true }): Promise<void> {
    const answer = await call("notification_read", { ...which, op: newOp() });
    if (answer.status !== "ok") say("warning", "Not marked as read", answer.message);
    else await load();
  }

  async function notify(to: Addressee, title: string, message: string, urgent: boolean, must = false): Promise<boolean> {
    const type = urgent ? "warning" : "info";
    const plan = must ? { must_acknowledge: { repeat_s: 60, repeats: 5 } } : {};
    const answer = await call("notification_send", { to, title, message, type, ...plan, op: newOp() });
    return told(answer.status === "ok" ? null : answer.message);
  }

  async function write(target_user: string, message: string): Promise<boolean> {
    const answer = await call("send_message", { target_user, message, op: newOp() });
    return told(answer.status === "ok" ? null : answer.message);
  }

  function told(problem: string | null): boolean {
    if (problem === null) say("success", "Sent");
    else say("error", "Not sent", problem);
    return problem === null;
  }

  return { items, unread, available, load, arrived, messageArrived, wasRead, isKept, read, notify, write };
}

export type Inbox = ReturnType<typeof createInbox>;
