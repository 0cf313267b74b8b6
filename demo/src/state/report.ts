// What became of each change that was made without a connection.

import { signal } from "@preact/signals";
import type { Json } from "../contract";

export interface Reported {
  key: string;
  field: string;
  value: Json;
  became: "saved" | "overwrote" | "merged" | "conflict" | "invalid";
}

export function createReport() {
  const rows = signal<readonly Reported[]>([]);

  function tell(row: Reported): void {
    rows.value = [...rows.value.filter((other) => other.key !== row.key), row];
  }

  function clear(): void {
    rows.value = [];
  }

  return { rows, tell, clear };
}

export type Report = ReturnType<typeof createReport>;
