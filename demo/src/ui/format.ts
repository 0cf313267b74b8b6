import type { EstimatedWait } from "../contract";

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** "10:42", with the day in front when it was not today; empty for what is no time. */
export function clock(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "";
  const today = time.toDateString() === new Date().toDateString();
  return today ? CLOCK.format(time) : `${DAY.format(time)}, ${CLOCK.format(time)}`;
}

/** A field's value as a person reads it. */
export function shownValue(value: unknown): string {
  if (value === null || value === undefined || value === "") return "empty";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** "12 min", below two of them in seconds. */
export function minutes(seconds: number): string {
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

/** "10–25 min". */
export function waitText({ from_s, to_s }: EstimatedWait): string {
  const [first, last] = [Math.floor(from_s / 60), Math.ceil(to_s / 60)];
  return first < last ? `${first}–${last} min` : `${last} min`;
}
