// Who is in the patient's room: the roster, how sure it is, and the names that user ids stand for.

import { computed, signal } from "@preact/signals";
import type { ActiveUser, People, PresenceSummary } from "../contract";
import { STAFF, type Person } from "../identity";

export function createPresence(me: Person) {
  const users = signal<readonly ActiveUser[]>([]);
  const available = signal(true);
  const whole = signal<PresenceSummary | null>(null); // what presence says of the room; null: nothing yet
  const names = new Map(STAFF.map((person) => [person.user_id, person.name]));
  names.set(me.user_id, me.name);
  names.set("system", "System");

  function replace(roster: readonly ActiveUser[]): void {
    for (const user of roster) names.set(user.user_id, user.name);
    users.value = roster;
  }

  function replaceAll({ users: roster, total, away, stale, since }: People): void {
    replace(roster);
    whole.value = { count: total, active: total - away, away, truncated: total > roster.length, stale, since };
  }

  /** The first page of the people: of a large room we keep the others, whom facts have told. */
  function shown(roster: readonly ActiveUser[]): void {
    const ids = new Set(roster.map((user) => user.user_id));
    replace(whole.value?.truncated ? [...roster, ...users.value.filter((user) => !ids.has(user.user_id))] : roster);
  }

  function put(user: ActiveUser): void {
    const known = users.value.some((other) => other.user_id === user.user_id);
    replace(known ? users.value.map((other) => (other.user_id === user.user_id ? user : other)) : [...users.value, user]);
  }

  function moved(userId: string, step: number): void {
    users.value = users.value.map((user) => (user.user_id === userId ? { ...user, step } : user));
  }

  function remove(userId: string): void {
    users.value = users.value.filter((user) => user.user_id !== userId);
  }

  function empty(): void {
    users.value = [];
    whole.value = null;
  }

  const counts = computed(() => {
    const away = users.value.filter((user) => user.status === "away").length;
    const more = whole.value?.truncated ? Math.max(0, whole.value.count - users.value.length) : 0;
    return more ? { active: whole.value!.active, away: whole.value!.away, more } : { active: users.value.length - away, away, more };
  });

  /** field -> the others who edit it. */
  const editors = computed(() => {
    const byField = new Map<string, ActiveUser[]>();
    for (const user of users.value) {
      if (user.user_id === me.user_id) continue;
      for (const field of user.editing) byField.set(field, [...(byField.get(field) ?? []), user]);
    }
    return byField;
  });

  const nameOf = (userId: string): string =>
    users.value.find((user) => user.user_id === userId)?.name ?? names.get(userId) ?? userId;

  const isAway = (userId: string): boolean =>
    users.value.some((user) => user.user_id === userId && user.status === "away");

  return { users, available, whole, counts, editors, replaceAll, shown, put, moved, remove, empty, nameOf, isAway };
}

export type Presence = ReturnType<typeof createPresence>;
