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
    if (answer.status === "ok") preferences.value = answer.preferences;
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

  async function want(change: Partial<Preferences>): Promise<void> {
    const wanted = { ...preferences.value, ...change };
    const answer = await call("notification_preferences", { preferences: wanted, op: newOp() });
    if (answer.status === "ok") preferences.value = answer.preferences;
    else say("warning", "Not changed", answer.message);
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

  return { preferences, quietUntil, follows, isStaff, mutesInfo, load, muteInfo, beQuiet, beStaff, wantsToHear };
}

export type Wishes = ReturnType<typeof createWishes>;
