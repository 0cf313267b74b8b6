// Who did what with this record, newest first: read again a moment after something happened. By kind, person and time.

import { signal } from "@preact/signals";
import type { ActivityKind, ActivityQuery, ActivityRow } from "../contract";
import type { Call } from "../socket";

const PAGE = 30;
const SOON_MS = 600;
const ASK_AGAIN_MS = 3000;

/** Empty: all. `hours`: only the last ones. */
export interface Filter {
  kind: ActivityKind | "";
  user: string;
  hours: number;
}
export const EVERYTHING: Filter = { kind: "", user: "", hours: 0 };

export function createActivity(patient: () => string, call: Call) {
  const rows = signal<readonly ActivityRow[]>([]);
  const before = signal<number | null>(null); // there are older ones
  const available = signal(true);
  const filter = signal<Filter>(EVERYTHING);
  const people = signal<ReadonlySet<string>>(new Set()); // who did anything here that we know of
  let timer: ReturnType<typeof setTimeout> | undefined;

  function query(): ActivityQuery {
    const { kind, user, hours } = filter.peek();
    return {
      patient_id: patient(),
      limit: PAGE,
      ...(user && { user }),
      ...(kind && { kinds: [kind] }),
      ...(hours && { since: new Date(Date.now() - hours * 3_600_000).toISOString() }),
    };
  }

  /** The newest page, under which older rows that are here already stay, if nothing is missing between them. */
  async function load(): Promise<void> {
    timer = undefined;
    const [asked, by] = [patient(), filter.peek()];
    const answer = await call("activity_log", query());
    if (asked !== patient() || by !== filter.peek()) return;
    available.value = answer.status === "ok";
    if (answer.status !== "ok") {
      if (answer.retry) soon(ASK_AGAIN_MS);
      return;
    }
    const known = answer.rows.at(-1)?.sequence;
    const older = rows.value.some((row) => row.sequence === known) ? rows.value.filter((row) => row.sequence < known!) : [];
    if (!older.length) before.value = answer.before;
    take([...answer.rows, ...older]);
  }

  async function loadOlder(): Promise<void> {
    const [asked, by, from] = [patient(), filter.peek(), before.peek()];
    if (from === null) return;
    const answer = await call("activity_log", { ...query(), before: from });
    if (asked !== patient() || by !== filter.peek() || from !== before.peek()) return;
    available.value = answer.status === "ok";
    if (answer.status !== "ok") return;
    before.value = answer.before;
    take([...rows.value, ...answer.rows]);
  }

  function take(newest: readonly ActivityRow[]): void {
    rows.value = newest;
    people.value = new Set([...people.value, ...newest.map((row) => row.user_id)]);
  }

  function show(wanted: Partial<Filter>): void {
    filter.value = { ...filter.value, ...wanted };
    rows.value = [];
    before.value = null;
    clearTimeout(timer);
    void load();
  }

  /** Another record is opened. */
  function empty(): void {
    rows.value = [];
    before.value = null;
    people.value = new Set();
    filter.value = EVERYTHING;
  }

  /** At most one reading per moment, however many facts come. */
  function soon(delay = SOON_MS): void {
    timer ??= setTimeout(() => void load(), delay);
  }

  return { rows, before, available, filter, people, show, loadOlder, empty, soon };
}

export type Activity = ReturnType<typeof createActivity>;
