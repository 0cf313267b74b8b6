// How the queue goes. Asked for after changes, not more often than every few seconds.

import { signal } from "@preact/signals";
import type { QueueFigures } from "../contract";
import type { Call } from "../socket";

const PAUSE_MS = 2000;

export function createFigures(queue: string, call: Call) {
  const shown = signal<QueueFigures | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let changed = false;

  async function ask(): Promise<void> {
    changed = false;
    const answer = await call("queue_statistics", { queue });
    if (answer.status === "ok") shown.value = answer;
  }

  /** At once; what changes while one waits is asked for together. */
  function soon(): void {
    changed = true;
    if (timer !== undefined) return;
    void ask();
    timer = setTimeout(() => {
      timer = undefined;
      if (changed) soon();
    }, PAUSE_MS);
  }

  return { shown, soon };
}
