// Short messages at the edge of the page.

import { signal } from "@preact/signals";

const SHOWN_MS = 7000;
const AT_ONCE_MAX = 4;

export interface Toast {
  id: number;
  tone: "info" | "success" | "warning" | "error";
  title: string;
  text?: string;
}
export type Say = (tone: Toast["tone"], title: string, text?: string) => void;

export const toasts = signal<readonly Toast[]>([]);
let last = 0;

export const say: Say = (tone, title, text) => {
  const id = ++last;
  toasts.value = [...toasts.value.slice(1 - AT_ONCE_MAX), { id, tone, title, ...(text ? { text } : {}) }];
  setTimeout(() => dismiss(id), SHOWN_MS);
};

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
