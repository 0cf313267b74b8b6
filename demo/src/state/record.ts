// The form's fields: what the server has, what is being typed, what is on its way (see outbox.ts), and what waits for
// a decision of this person because somebody else was first.

import { computed, signal } from "@preact/signals";
import type { Change, Failure, FieldUpdated, FieldsUpdated, Json, RecordField, RefusedChange, UpdateReply } from "../contract";
import { newOp } from "../ids";
import type { Call } from "../socket";
import { carried, createOutbox, type Commit } from "./outbox";
import { createReport, type Reported } from "./report";

const PAUSE_MS = 500; // text is sent when the typing rests this long

/** A value that is being edited here; `base` is the version that the person saw when the edit began. `problem`: why
 * the server did not take it; it is sent again when it has been changed. */
interface Draft {
  value: Json;
  base: number;
  problem?: string;
}
export type SaveState = "saved" | "draft" | "saving" | "unsaved" | "invalid" | "conflict";

export function createRecord(me: string, patient: () => string, call: Call, merged: (field: string, by?: string) => void) {
  const fields = signal<ReadonlyMap<string, RecordField>>(new Map());
  const drafts = signal<ReadonlyMap<string, Draft>>(new Map());
  const conflicts = signal<ReadonlyMap<string, Json>>(new Map()); // field -> what was typed here
  const asking = signal<string | null>(null); // the conflict about which the person is being asked
  const fresh = signal<ReadonlyMap<string, number>>(new Map()); // field -> version that somebody else wrote just now
  const live = signal(true);
  const loaded = signal(false);
  const available = signal(true);
  const report = createReport();
  const outbox = createOutbox(patient, call, { settled, refused });
  let pause: ReturnType<typeof setTimeout> | undefined;

  // --- what the server says ---

  function replace(snapshot: Record<string, RecordField>): void {
    loaded.value = true;
    fields.value = new Map(Object.entries(snapshot));
  }

  /** Another record is opened. */
  function empty(): void {
    drafts.value = conflicts.value = new Map();
    fields.value = fresh.value = new Map();
    asking.value = null;
    loaded.value = false;
    report.clear();
  }

  /** Takes a newer value; a version that we have, or an older one, is a repeat. */
  function accept(name: string, incoming: RecordField): void {
    if (version(name) >= incoming.version) return;
    fields.value = new Map(fields.value).set(name, incoming);
    if (incoming.user_id !== me) fresh.value = new Map(fresh.value).set(name, incoming.version);
  }

  function fieldUpdated({ field, value, version, user_id, timestamp }: FieldUpdated): void {
    accept(field, { value, version, user_id, timestamp });
  }

  function fieldsUpdated({ changes, user_id, timestamp }: FieldsUpdated): void {
    for (const { field, value, version } of changes) accept(field, { value, version, user_id, timestamp });
  }

  const version = (name: string): number => fields.peek().get(name)?.version ?? 0;

  // --- what is typed here ---

  function edit(name: string, value: Json, how: "typed" | "chosen"): void {
    if (conflicts.value.has(name)) {
      conflicts.value = new Map(conflicts.value).set(name, value); // it is still to be decided
      return;
    }
    const base = drafts.value.get(name)?.base ?? outbox.baseOf(name) ?? version(name);
    drafts.value = new Map(drafts.value).set(name, { value, base });
    if (!live.value) return;
    if (how === "chosen") commitEach();
    else {
      clearTimeout(pause);
      pause = setTimeout(commitEach, PAUSE_MS);
    }
  }

  function takeDrafts(wanted: (draft: Draft) => boolean): Change[] {
    clearTimeout(pause);
    const taken = [...drafts.value].filter(([, draft]) => wanted(draft));
    drafts.value = without(drafts.value, ...taken.map(([field]) => field));
    return taken.map(([field, { value, base }]) => ({ field, value, base_version: base }));
  }

  /** Each field that was edited as a commit of its own. */
  function commitEach(): void {
    for (const change of takeDrafts((draft) => !draft.problem)) outbox.add(newOp(), [change]);
  }

  /** Everything that was edited, as one commit: all of it is saved, or nothing. */
  function saveAll(): void {
    const changes = takeDrafts(() => true);
    if (changes.length) outbox.add(newOp(), changes);
  }

  function leaveField(): void {
    if (live.value) commitEach();
  }

  /** What was typed and not saved is given up: the field shows what the server has. */
  function discard(name: string): void {
    drafts.value = without(drafts.value, name);
    conflicts.value = without(conflicts.value, name);
    if (asking.value === name) asking.value = [...conflicts.value.keys()][0] ?? null;
  }

  function ask(name: string): void {
    asking.value = name;
  }

  function putOff(): void {
    asking.value = null;
  }

  /** The person has seen version `seen` of the field and decides for this value. */
  function decide(name: string, value: Json, seen: number): void {
    discard(name);
    drafts.value = new Map(drafts.value).set(name, { value, base: seen });
    if (live.value) commitEach();
  }

  // --- what became of it ---

  function settled(commit: Commit, reply: UpdateReply): void {
    const timestamp = new Date().toISOString();
    for (const { field, version, outcome, ...rest } of reply.changes) {
      const sent = commit.changes.find((change) => change.field === field)?.value ?? null;
      const value = rest.value ?? sent;
      const before = fields.value.get(field);
      accept(field, { value, version, user_id: me, timestamp });
      rebase(field, version, sent, value);
      if (outcome === "merged") merged(field, before && before.user_id !== me ? before.user_id : undefined);
      if (commit.waited) tell(commit, field, sent, outcome === "accepted" ? "saved" : outcome);
    }
    for (const refusal of reply.refused ?? []) refuse(commit, refusal);
  }

  /** What was typed on top of a value of our own is based on what that became. */
  function rebase(name: string, version: number, sent: Json, became: Json): void {
    outbox.rebase(name, version, sent, became);
    const draft = drafts.value.get(name);
    if (!draft || draft.base >= version) return;
    const value = carried(draft.value, sent, became);
    if (value !== undefined) drafts.value = new Map(drafts.value).set(name, { ...draft, value, base: version });
  }

  function refused(commit: Commit, { message, refused: reasons }: Failure): void {
    for (const change of commit.changes) {
      const reason = reasons?.find((candidate) => candidate.field === change.field);
      if (reason) refuse(commit, reason);
      else keep(change, reasons ? undefined : message);
    }
  }

  /** One change is not saved: what was typed stays, for the person to decide or to correct. */
  function refuse(commit: Commit, { field, code, message, current }: RefusedChange): void {
    const change = commit.changes.find((candidate) => candidate.field === field);
    if (!change) return;
    if (current) accept(field, current);
    if (code === "invalid") keep(change, message);
    else {
      const later = outbox.withdraw(field);
      const typed = drafted(field, later === undefined ? change.value : later);
      drafts.value = without(drafts.value, field);
      conflicts.value = new Map(conflicts.value).set(field, typed);
      asking.value ??= field;
    }
    if (commit.waited) tell(commit, field, change.value, code);
  }

  /** Back into the form, unless it has been changed there since. */
  function keep({ field, value, base_version }: Change, problem?: string): void {
    if (drafts.value.has(field) || outbox.valueOf(field) !== undefined) return;
    const draft = { value, base: base_version, ...(problem ? { problem } : {}) };
    drafts.value = new Map(drafts.value).set(field, draft);
  }

  function tell({ op }: Commit, field: string, value: Json, became: Reported["became"]): void {
    report.tell({ key: `${op} ${field}`, field, value, became });
  }

  // --- what the form shows ---

  /** Null is a value, too. */
  function drafted<Else>(name: string, otherwise: Else): Json | Else {
    const draft = drafts.value.get(name);
    return draft ? draft.value : otherwise;
  }

  const waiting = computed(() => drafts.value.size + outbox.commits.value.length + conflicts.value.size);

  function shown(name: string): Json {
    const typed = conflicts.value.has(name) ? conflicts.value.get(name) : drafted(name, outbox.valueOf(name));
    return typed !== undefined ? typed : (fields.value.get(name)?.value ?? null);
  }

  function saveState(name: string): SaveState {
    if (conflicts.value.has(name)) return "conflict";
    const draft = drafts.value.get(name);
    if (draft?.problem) return "invalid";
    if (!draft && outbox.valueOf(name) === undefined) return "saved";
    if (outbox.stuck.value || (draft && !live.value)) return "unsaved";
    return draft ? "draft" : "saving";
  }

  /** What somebody else wrote since the edit here began. */
  function meanwhile(name: string): RecordField | undefined {
    const draft = drafts.value.get(name);
    const known = fields.value.get(name);
    return draft && known && known.version > draft.base && known.user_id !== me ? known : undefined;
  }

  const problem = (name: string): string | undefined => drafts.value.get(name)?.problem;

  return {
    fields, fresh, conflicts, asking, live, loaded, available, waiting, report,
    replace, empty, accept, fieldUpdated, fieldsUpdated, edit, saveAll, leaveField,
    discard, decide, ask, putOff, shown, saveState, meanwhile, problem,
    resume: outbox.resume, suspend: outbox.suspend,
  };
}

function without<Value>(map: ReadonlyMap<string, Value>, ...names: string[]): ReadonlyMap<string, Value> {
  return new Map([...map].filter(([name]) => !names.includes(name)));
}

export type FormRecord = ReturnType<typeof createRecord>;
