// The versions of a field, newest first, read page by page while they are shown; and writing an older one again.

import { signal } from "@preact/signals";
import type { HistoryRow, RecordField, UpdateReply } from "../contract";
import { newOp } from "../ids";
import { fieldLabel } from "../screening";
import type { Call } from "../socket";
import type { Say } from "./toasts";

const PAGE = 20;
const ASK_AGAIN_MS = 3000;

export function createHistory(patient: () => string, call: Call, say: Say, accept: (field: string, now: RecordField) => void, me: string) {
  const field = signal<string | null>(null); // whose history is shown
  const rows = signal<readonly HistoryRow[]>([]);
  const before = signal<number | null>(null); // there are older ones
  const state = signal<"loading" | "loaded" | "away">("loading");
  let again: ReturnType<typeof setTimeout> | undefined;

  function show(name: string): void {
    field.value = name;
    rows.value = [];
    before.value = null;
    state.value = "loading";
    void load();
  }

  function close(): void {
    clearTimeout(again);
    field.value = null;
  }

  /** The newest page, under which older rows that are here already stay. */
  async function load(): Promise<void> {
    clearTimeout(again);
    const name = field.peek();
    if (name === null) return;
    const answer = await call("field_history", { patient_id: patient(), field: name, limit: PAGE });
    if (field.peek() !== name) return;
    if (answer.status !== "ok") return failed(answer.retry, answer.message);
    const last = answer.rows.at(-1)?.version ?? 0;
    const older = rows.value.filter((row) => row.version < last);
    if (!older.length) before.value = answer.before;
    rows.value = [...answer.rows, ...older];
    state.value = "loaded";
  }

  async function loadOlder(): Promise<void> {
    const [name, from] = [field.peek(), before.peek()];
    if (name === null || from === null) return;
    const answer = await call("field_history", { patient_id: patient(), field: name, limit: PAGE, before: from });
    if (field.peek() !== name || before.peek() !== from) return;
    if (answer.status !== "ok") return say("warning", "The older versions cannot be read", answer.message);
    rows.value = [...rows.value, ...answer.rows];
    before.value = answer.before;
  }

  function failed(retry: boolean, message: string): void {
    state.value = "away";
    if (retry) again = setTimeout(() => void load(), ASK_AGAIN_MS);
    else say("error", "The history cannot be read", message);
  }

  /** Writes `version` again, for somebody who has seen version `seen`. */
  async function restore(name: string, version: number, seen: number): Promise<void> {
    const request = { patient_id: patient(), field: name, version, base_version: seen, op: newOp() };
    const answer = await call("field_restore", request);
    if (answer.status === "ok") return restored(answer);
    say("error", `${fieldLabel(name)}: not restored`, answer.message);
    for (const { field, current } of answer.refused ?? []) if (current) accept(field, current);
  }

  function restored({ changes }: UpdateReply): void {
    for (const { field, value, version, restored } of changes) {
      accept(field, { value, version, user_id: me, timestamp: new Date().toISOString() });
      say("success", `${fieldLabel(field)} is as it was in version ${restored}`);
    }
    void load();
  }

  /** A newer version of the field that is shown has come. */
  function changed(name: string): void {
    if (name === field.peek()) void load();
  }

  return { field, rows, before, state, show, close, loadOlder, restore, changed };
}

export type History = ReturnType<typeof createHistory>;
