// Fields that one person has for themselves for a while: a courtesy that forms respect, not a rule of the record.

import { signal } from "@preact/signals";
import type { FieldLock, FieldLocked, FieldUnlocked } from "../contract";
import { newOp } from "../ids";
import { fieldLabel } from "../screening";
import type { Call } from "../socket";
import type { Say } from "./toasts";

export function createLocks(me: string, patient: () => string, call: Call, nameOf: (userId: string) => string, say: Say) {
  const held = signal<ReadonlyMap<string, FieldLock>>(new Map());
  const taking = signal<FieldLock | null>(null); // which the person is asked whether to take over

  function replace(locks: readonly FieldLock[]): void {
    held.value = new Map(locks.map((lock) => [lock.field, lock]));
    reconsider();
  }

  function locked(lock: FieldLocked | FieldLock): void {
    if ((held.value.get(lock.field)?.token ?? 0) > lock.token) return;
    held.value = new Map(held.value).set(lock.field, lock);
    reconsider();
    if ("taken_from" in lock && lock.taken_from === me && lock.user_id !== me) {
      say("warning", `${fieldLabel(lock.field)}: ${nameOf(lock.user_id)} has taken over the lock`, "What you had typed there is kept.");
    }
  }

  function unlocked({ field, token, user_id, reason }: FieldUnlocked): void {
    const known = held.value.get(field);
    if (!known || known.token > token) return;
    held.value = new Map([...held.value].filter(([name]) => name !== field));
    reconsider();
    if (user_id === me && reason === "expired") say("info", `${fieldLabel(field)} is no longer locked`, "Nothing was heard of you for a while.");
  }

  /** A question about a lock that is over is not asked any longer. */
  function reconsider(): void {
    const asked = taking.value;
    if (asked && held.value.get(asked.field)?.token !== asked.token) taking.value = null;
  }

  /** Locks a free field, gives an own lock back, and asks before it takes somebody else's. */
  async function press(field: string): Promise<void> {
    const lock = held.value.get(field);
    if (lock && lock.user_id !== me) {
      taking.value = lock;
      return;
    }
    const request = { patient_id: patient(), field, op: newOp() };
    const answer = lock ? await call("field_unlock", request) : await call("field_lock", request);
    if (answer.status !== "ok") say("warning", `${fieldLabel(field)}: the lock did not change`, answer.message);
  }

  async function takeOver({ field, token }: FieldLock): Promise<void> {
    taking.value = null;
    const answer = await call("field_lock_takeover", { patient_id: patient(), field, token, op: newOp() });
    if (answer.status !== "ok") say("warning", `${fieldLabel(field)}: not taken over`, answer.message);
  }

  function leave(): void {
    taking.value = null;
  }

  /** The lock of somebody else. */
  function against(field: string): FieldLock | undefined {
    const lock = held.value.get(field);
    return lock && lock.user_id !== me ? lock : undefined;
  }

  return { held, taking, replace, locked, unlocked, press, takeOver, leave, against };
}

export type Locks = ReturnType<typeof createLocks>;
