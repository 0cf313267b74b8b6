// What the person wants to hear of: types that are muted, quiet hours, and whose notes they follow.

import { computed, signal } from "@preact/signals";
import type { Followed, Notification, Preferences } from "../contract";
import { newOp } from "../ids";
import type { Call } from "../socket";
import { QUEUE } from "./queue";
import type { Say } from "./toasts";

export function createWishes(call: Call, say: Say) {
  const preferences = signal<Preferences>({ mute: [], digest: null, quiet: null });
  const quietUntil = signal<string | null>(null);
  const follows = signal<readonly Followed[]>([]);
  const isStaff = computed(() => follows.value.some(({ kind, id }) => kind === "staff" && id === QUEUE));
  const mutesInfo = computed(() => preferences.value.mute.includes("info"));

  async function load(): Promise<void> {
    const answer = await call("notification_preferences", {});
    if (answer.status === "ok") told(answer.preferences);
  }

  function muteInfo(muted: boolean): Promise<void> {
    const mute = preferences.value.mute.filter((type) => type !== "info");
    return want({ mute: muted ? [...mute, "info"] : mute });
  }

  /** Every day between these two times of the clock here; null: at no time. */
  function beQuiet(hours: { start: string; end: string } | null): Promise<void> {
    const { timeZone: zone } = Intl.DateTimeFormat().resolvedOptions();
    return want({ quiet: hours && { ...hours, zone } });
  }

  let wanting = 0; // changes under way: what is said about those before the last one is not shown

  /** Shown at once: the next change builds on it. */
  async function want(change: Partial<Preferences>): Promise<void> {
    const wanted = (preferences.value = { ...preferences.value, ...change });
    wanting++;
    const answer = await call("notification_preferences", { preferences: wanted, op: newOp() });
    wanting--;
    if (answer.status === "ok") return told(answer.preferences);
    say("warning", "Not changed", answer.message);
    await load();
  }

  /** On this tab or on another one of the same person. */
  function told(now: Preferences): void {
    if (!wanting) preferences.value = now;
  }

  async function beStaff(on: boolean): Promise<void> {
    const answer = await call(on ? "topic_follow" : "topic_unfollow", { staff: QUEUE, op: newOp() });
    if (answer.status === "ok") follows.value = answer.follows;
    else say("warning", "Not changed", answer.message);
  }

  /** Whether a note is shown when it comes. */
  function wantsToHear({ type, priority }: Notification): boolean {
    const { mute, digest } = preferences.peek();
    const quiet = quietUntil.peek() !== null && Date.now() < Date.parse(quietUntil.peek()!);
    return priority === "critical" || !(quiet || mute.includes(type) || digest?.types.includes(type));
  }

  return { preferences, quietUntil, follows, isStaff, mutesInfo, load, told, muteInfo, beQuiet, beStaff, wantsToHear };
}

export type Wishes = ReturnType<typeof createWishes>;
