// The form's fields: what the server has, what is being typed, and what is on its way (see outbox.ts).

import { computed, signal } from "@preact/signals";
import type { Change, CommittedChange, Failure, FieldUpdated, FieldsUpdated, Json, RecordField } from "../contract";
import { newOp } from "../ids";
import { fieldLabel } from "../screening";
import type { Call } from "../socket";
import { createOutbox, type Commit } from "./outbox";
import type { Say } from "./toasts";

const PAUSE_MS = 500; // text is sent when the typing rests this long

const OVERWROTE = "Yours came last and is shown; the other value is in the activity.";

/** A value that is being edited here; `base` is the version that the person saw when the edit began. */
interface Draft {
  value: Json;
  base: number;
}
export type SaveState = "saved" | "draft" | "saving" | "unsaved";

export function createRecord(me: string, patient: () => string, call: Call, say: Say, reload: () => void) {
  const fields = signal<ReadonlyMap<string, RecordField>>(new Map());
  const drafts = signal<ReadonlyMap<string, Draft>>(new Map());
  const fresh = signal<ReadonlyMap<string, number>>(new Map()); // field -> version that somebody else wrote just now
  const live = signal(true);
  const loaded = signal(false);
  const available = signal(true);
  const outbox = createOutbox(patient, call, { settled, refused });
  let pause: ReturnType<typeof setTimeout> | undefined;

  // --- what the server says ---

  function replace(snapshot: Record<string, RecordField>): void {
    loaded.value = true;
    fields.value = new Map(Object.entries(snapshot));
  }

  /** Takes a newer value; a version that we have, or an older one, is a repeat. */
  function accept(name: string, incoming: RecordField): void {
    if ((fields.value.get(name)?.version ?? 0) >= incoming.version) return;
    fields.value = new Map(fields.value).set(name, incoming);
    if (incoming.user_id !== me) fresh.value = new Map(fresh.value).set(name, incoming.version);
  }

  function fieldUpdated({ field, value, version, user_id, timestamp }: FieldUpdated): void {
    accept(field, { value, version, user_id, timestamp });
  }

  function fieldsUpdated({ changes, user_id, timestamp }: FieldsUpdated): void {
    for (const { field, value, version } of changes) accept(field, { value, version, user_id, timestamp });
  }

  // --- what is typed here ---

  function edit(name: string, value: Json, how: "typed" | "chosen"): void {
    const base = drafts.value.get(name)?.base ?? fields.value.get(name)?.version ?? 0;
    drafts.value = new Map(drafts.value).set(name, { value, base });
    if (!live.value) return;
    if (how === "chosen") commitEach();
    else {
      clearTimeout(pause);
      pause = setTimeout(commitEach, PAUSE_MS);
    }
  }

  function takeDrafts(): Change[] {
    clearTimeout(pause);
    const changes = [...drafts.value].map(([field, { value, base }]) => ({ field, value, base_version: base }));
    drafts.value = new Map();
    return changes;
  }

  /** Each field that was edited as a commit of its own. */
  function commitEach(): void {
    for (const change of takeDrafts()) outbox.add({ op: newOp(), changes: [change] });
  }

  /** Everything that was edited, as one commit: all of it is saved, or nothing. */
  function saveAll(): void {
    const changes = takeDrafts();
    if (changes.length) outbox.add({ op: newOp(), changes });
  }

  function leaveField(): void {
    if (live.value) commitEach();
  }

  // --- what became of it ---

  function settled(commit: Commit, changes: readonly CommittedChange[]): void {
    const timestamp = new Date().toISOString();
    for (const { field, version, outcome, ...rest } of changes) {
      const sent = commit.changes.find((change) => change.field === field)?.value ?? null;
      const value = rest.value ?? sent;
      accept(field, { value, version, user_id: me, timestamp });
      if (value === sent) rebase(field, version);
      if (outcome === "overwrote") say("warning", `${fieldLabel(field)}: two of you wrote`, OVERWROTE);
    }
  }

  /** What was typed on top of a value of our own is based on that value's version. */
  function rebase(name: string, version: number): void {
    const draft = drafts.value.get(name);
    if (draft && draft.base < version) drafts.value = new Map(drafts.value).set(name, { ...draft, base: version });
    outbox.rebase(name, version);
  }

  function refused(commit: Commit, { code, message }: Failure): void {
    const lost = commit.changes.map((change) => `${fieldLabel(change.field)}: “${String(change.value)}”`).join(", ");
    const title = code === "conflict" ? "Somebody else changed this first" : "A change was not accepted";
    say("error", title, `${message} Not saved: ${lost}`);
    reload();
  }

  // --- what the form shows ---

  const waiting = computed(() => drafts.value.size + outbox.commits.value.length);

  function shown(name: string): Json {
    return drafts.value.get(name)?.value ?? outbox.valueOf(name) ?? fields.value.get(name)?.value ?? null;
  }

  function saveState(name: string): SaveState {
    const typed = drafts.value.has(name);
    if (!typed && outbox.valueOf(name) === undefined) return "saved";
    if (outbox.stuck.value || (typed && !live.value)) return "unsaved";
    return typed ? "draft" : "saving";
  }

  /** What somebody else wrote since the edit here began. */
  function meanwhile(name: string): RecordField | undefined {
    const draft = drafts.value.get(name);
    const known = fields.value.get(name);
    return draft && known && known.version > draft.base && known.user_id !== me ? known : undefined;
  }

  return {
    fields, fresh, live, loaded, available, waiting,
    replace, fieldUpdated, fieldsUpdated, edit, saveAll, leaveField, shown, saveState, meanwhile,
    resume: outbox.resume, suspend: outbox.suspend,
  };
}

export type FormRecord = ReturnType<typeof createRecord>;
