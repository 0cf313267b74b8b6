// Who is in the patient's room: the roster, and the names that user ids stand for.

import { computed, signal } from "@preact/signals";
import type { ActiveUser } from "../contract";
import { STAFF, type Person } from "../identity";

export function createPresence(me: Person) {
  const users = signal<readonly ActiveUser[]>([]);
  const available = signal(true);
  const names = new Map(STAFF.map((person) => [person.user_id, person.name]));
  names.set(me.user_id, me.name);
  names.set("system", "System");

  function replace(roster: readonly ActiveUser[]): void {
    for (const user of roster) names.set(user.user_id, user.name);
    users.value = roster;
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

  /** field -> the others who edit it. */
  const editors = computed(() => {
    const byField = new Map<string, ActiveUser[]>();
    for (const user of users.value) {
      if (user.focus === null || user.user_id === me.user_id) continue;
      byField.set(user.focus, [...(byField.get(user.focus) ?? []), user]);
    }
    return byField;
  });

  const nameOf = (userId: string): string =>
    users.value.find((user) => user.user_id === userId)?.name ?? names.get(userId) ?? userId;

  const isAway = (userId: string): boolean =>
    users.value.some((user) => user.user_id === userId && user.status === "away");

  return { users, available, editors, replace, put, moved, remove, nameOf, isAway };
}

export type Presence = ReturnType<typeof createPresence>;
