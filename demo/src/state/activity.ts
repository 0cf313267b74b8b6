// Who did what with this record, newest first: read again a moment after something happened.

import { signal } from "@preact/signals";
import type { ActivityRow } from "../contract";
import type { Call } from "../socket";

const ROWS = 60;
const SOON_MS = 600;
const ASK_AGAIN_MS = 3000;

export function createActivity(patient: () => string, call: Call) {
  const rows = signal<readonly ActivityRow[]>([]);
  const available = signal(true);
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function load(): Promise<void> {
    timer = undefined;
    const asked = patient();
    const answer = await call("activity_log", { patient_id: asked, limit: ROWS });
    if (asked !== patient()) return;
    available.value = answer.status === "ok";
    if (answer.status === "ok") rows.value = answer.rows;
    else if (answer.retry) soon(ASK_AGAIN_MS);
  }

  /** At most one reading per moment, however many facts come. */
  function soon(delay = SOON_MS): void {
    timer ??= setTimeout(() => void load(), delay);
  }

  return { rows, available, soon };
}

export type Activity = ReturnType<typeof createActivity>;
