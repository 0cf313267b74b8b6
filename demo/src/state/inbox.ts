// The inbox: the server keeps what became of each note, counts, and filters. What was sent to a room is live only.

import { computed, signal } from "@preact/signals";
import type { InboxState, NewMessage, Notification, NotificationArchived, NotificationRead } from "../contract";
import { newOp } from "../ids";
import type { Call } from "../socket";
import type { createWishes } from "./wishes";
import type { Say } from "./toasts";

const PAGE = 30;
const ASK_AGAIN_MS = 3000;
export type Shown = "inbox" | InboxState;
export type Type = "any" | "info" | "success" | "warning" | "error" | "message";
type Which = { ids: string[] } | { all: true };

export function createInbox(call: Call, nameOf: (userId: string) => string, say: Say, wishes: ReturnType<typeof createWishes>) {
  const kept = signal<readonly Notification[]>([]);
  const live = signal<readonly Notification[]>([]);
  const unread = signal(0);
  const unseen = signal(0);
  const available = signal(true);
  const shown = signal<Shown>("inbox");
  const type = signal<Type>("any");
  const unfiltered = computed(() => shown.value === "inbox" && type.value === "any");
  const items = computed(() => {
    const also = unfiltered.value ? live.value : [];
    return [...kept.value, ...also].sort((a, b) => b.timestamp.localeCompare(a.timestamp)).slice(0, PAGE);
  });

  let again: ReturnType<typeof setTimeout> | undefined;
  let asked = 0; // counts up: an answer to an older question is not shown

  async function load(): Promise<void> {
    const mine = ++asked;
    clearTimeout(again);
    const state = shown.peek() === "inbox" ? {} : { state: shown.peek() as InboxState };
    const types = type.peek() === "any" ? {} : { types: [type.peek() as Exclude<Type, "any">] };
    const answer = await call("notification_inbox", { limit: PAGE, ...state, ...types });
    if (mine !== asked) return;
    available.value = answer.status === "ok";
    if (answer.status !== "ok") {
      if (answer.retry) again = setTimeout(() => void load(), ASK_AGAIN_MS);
      return;
    }
    kept.value = answer.notifications;
    counted(answer);
    wishes.follows.value = answer.follows;
  }

  function counted(counts: { unread: number; unseen?: number; quiet_until?: string | null }): void {
    unread.value = counts.unread;
    unseen.value = counts.unseen ?? counts.unread;
    wishes.quietUntil.value = counts.quiet_until ?? null;
  }

  function show(state: Shown, only: Type): void {
    shown.value = state;
    type.value = only;
    kept.value = [];
    void load();
  }

  function arrived(item: Notification): void {
    if (items.value.some((known) => known.id === item.id)) return;
    if (isLiveOnly(item)) {
      const others = live.value.filter((older) => !replaces(item, older));
      live.value = [item, ...others].slice(0, PAGE);
    }
    if (wishes.wantsToHear(item)) say(item.type === "message" ? "info" : item.type, item.title, item.message);
    void load();
  }

  function messageArrived({ id, from_user, message, timestamp }: NewMessage): void {
    const title = `Message from ${nameOf(from_user)}`;
    arrived({ id, type: "message", priority: "normal", title, message, timestamp, read: false, from_user, link: null, data: null });
  }

  /** On this tab or on another one of the same person. */
  function changed(fact: NotificationRead | NotificationArchived): void {
    counted({ ...fact, quiet_until: wishes.quietUntil.peek() });
    void load();
  }

  const isKept = (id: string): boolean => kept.value.some((item) => item.id === id);

  async function mark(what: "seen" | "read" | "archive", which: Which & { undo?: boolean }): Promise<void> {
    const answer = await call(`notification_${what}`, { ...which, op: newOp() });
    if (answer.status !== "ok" && what !== "seen") say("warning", "Nothing was changed", answer.message);
    else await load();
  }

  /** The list is open: whatever it shows has been before the person's eyes. */
  function opened(): void {
    if (unseen.peek()) void mark("seen", { all: true });
  }

  return {
    items, unread, unseen, available, shown, type, load, show, counted, arrived, messageArrived, changed, isKept, mark, opened,
  };
}

function isLiveOnly({ audience = "" }: Notification): boolean {
  return audience.startsWith("room.") || audience.startsWith("queue.");
}

/** Of one audience the newest note of a group stands for those before it. */
function replaces(item: Notification, older: Notification): boolean {
  return item.group !== undefined && item.group === older.group && item.audience === older.audience;
}

export type Inbox = ReturnType<typeof createInbox>;
