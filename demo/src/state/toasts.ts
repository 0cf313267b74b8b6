// Short messages at the edge of the page. One that offers something to do stays until it is done or closed.

import { signal } from "@preact/signals";

const SHOWN_MS = 7000;
const AT_ONCE_MAX = 4;

export interface Offer {
  label: string;
  run(): void;
}
export interface Toast {
  id: number;
  tone: "info" | "success" | "warning" | "error";
  title: string;
  text?: string;
  offer?: Offer;
}
export type Say = (tone: Toast["tone"], title: string, text?: string, offer?: Offer) => void;

export const toasts = signal<readonly Toast[]>([]);
let last = 0;

export const say: Say = (tone, title, text, offer) => {
  const id = ++last;
  const toast = { id, tone, title, ...(text ? { text } : {}), ...(offer ? { offer } : {}) };
  toasts.value = [...toasts.value.slice(1 - AT_ONCE_MAX), toast];
  if (!offer) setTimeout(() => dismiss(id), SHOWN_MS);
};

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Nobody is offered anything about a record that is no longer open. */
export function withdrawOffers(): void {
  toasts.value = toasts.value.filter((toast) => !toast.offer);
}
