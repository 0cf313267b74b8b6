// Commits on their way: sent one after the other, again with the same operation id until they are answered.

import { signal } from "@preact/signals";
import type { Change, Failure, Json, UpdateReply } from "../contract";
import type { Call } from "../socket";
import { carry } from "../text";

const AGAIN_AFTER_MS = [500, 1000, 2000, 4000];

/** `waited`: it was made while nothing could be sent, so what becomes of each change is told one by one. */
export interface Commit {
  op: string;
  changes: Change[];
  waited: boolean;
}
interface Outcome {
  settled(commit: Commit, reply: UpdateReply): void;
  refused(commit: Commit, failure: Failure): void;
}

export function createOutbox(patient: () => string, call: Call, outcome: Outcome) {
  const commits = signal<readonly Commit[]>([]);
  const stuck = signal(true); // nothing can be sent now: no connection, not in the room yet, or the service is away
  let open = false;
  let busy = false;
  let attempts = 0; // of the first commit
  let again: ReturnType<typeof setTimeout> | undefined;

  function add(op: string, changes: Change[]): void {
    const commit = { op, changes, waited: !open };
    const merged = joined(commits.value.at(-1), commit);
    commits.value = merged ? [...commits.value.slice(0, -1), merged] : [...commits.value, commit];
    void send();
  }

  /** Both as one, where the earlier has never been sent and is about the same single field. */
  function joined(earlier: Commit | undefined, later: Commit): Commit | undefined {
    const sent = commits.value.length === 1 && attempts > 0;
    const [before, ...others] = earlier?.changes ?? [];
    const [after, ...more] = later.changes;
    if (!earlier || sent || !before || !after || others.length || more.length || before.field !== after.field) return undefined;
    return { ...earlier, changes: [{ ...after, base_version: before.base_version }] };
  }

  async function send(): Promise<void> {
    if (busy) return;
    busy = true;
    clearTimeout(again);
    while (open && commits.value[0]) {
      const commit = commits.value[0];
      attempts += 1;
      const answer = await call("field_update", request(commit));
      if (answer.status === "error" && answer.retry) {
        stuck.value = true;
        if (open) again = setTimeout(send, AGAIN_AFTER_MS[Math.min(attempts, AGAIN_AFTER_MS.length) - 1]);
        break;
      }
      commits.value = commits.value.slice(1);
      attempts = 0;
      stuck.value = !open;
      if (answer.status === "ok") outcome.settled(commit, answer);
      else outcome.refused(commit, answer);
    }
    busy = false;
  }

  /** Of several changes that waited, each is saved if it can be; otherwise all of them, or none. */
  function request({ op, changes, waited }: Commit) {
    const [only, ...others] = changes;
    return { patient_id: patient(), op, partial: waited, ...(only && !others.length ? only : { changes }) };
  }

  /** The room is joined: what waits is sent now. */
  function resume(): void {
    open = true;
    stuck.value = false;
    void send();
  }

  function suspend(): void {
    open = false;
    stuck.value = true;
    clearTimeout(again);
  }

  /** What was typed on top of our own `sent`, which `became` this version. Called between two sends. */
  function rebase(field: string, version: number, sent: Json, became: Json): void {
    commits.value = commits.value.map((commit) => ({
      ...commit,
      changes: commit.changes.map((change) => {
        if (change.field !== field || change.base_version >= version) return change;
        const value = carried(change.value, sent, became);
        return value === undefined ? change : { ...change, value, base_version: version };
      }),
    }));
  }

  /** Takes the changes of a field out: their latest value, or undefined. Called between two sends. */
  function withdraw(field: string): Json | undefined {
    const value = valueOf(field);
    const rest = commits.value.map((commit) => ({ ...commit, changes: commit.changes.filter((c) => c.field !== field) }));
    commits.value = rest.filter((commit) => commit.changes.length);
    return value;
  }

  /** The latest change of a field that is on its way. */
  function latest(field: string): Change | undefined {
    return commits.value.flatMap((commit) => commit.changes).findLast((change) => change.field === field);
  }

  const valueOf = (field: string): Json | undefined => latest(field)?.value;
  /** What is typed on top of a change that is on its way has not seen more than that. */
  const baseOf = (field: string): number | undefined => latest(field)?.base_version;

  return { commits, stuck, add, resume, suspend, rebase, withdraw, valueOf, baseOf };
}

/** The same typing on top of what `sent` became; undefined where it changed the same place. */
export function carried(typed: Json, sent: Json, became: Json): Json | undefined {
  if (became === sent) return typed;
  const texts = [sent, typed, became].map((value) => (value === null ? "" : value));
  const [was, now, is] = texts;
  if (typeof was !== "string" || typeof now !== "string" || typeof is !== "string") return undefined;
  return carry(was, now, is) ?? undefined;
}
