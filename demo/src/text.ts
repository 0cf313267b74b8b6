// Texts that two people change: where they differ, and what both changes make together.

/** What stood at [start, end) of the one text became `text` in the other. */
export interface Edit {
  start: number;
  end: number;
  text: string;
}

/** The one piece in which two texts differ; whole characters, never half a surrogate pair. */
export function difference(old: string, next: string): Edit {
  const most = Math.min(old.length, next.length);
  let start = 0;
  while (start < most && old[start] === next[start]) start++;
  if (splits(old, start) || splits(next, start)) start--;
  let same = 0;
  while (same < most - start && old[old.length - 1 - same] === next[next.length - 1 - same]) same++;
  if (splits(old, old.length - same) || splits(next, next.length - same)) same--;
  return { start, end: old.length - same, text: next.slice(start, next.length - same) };
}

const splits = (text: string, at: number): boolean => /[\udc00-\udfff]/.test(text[at] ?? "") && at > 0;

/** What somebody typed on top of `sent` (`typed`), on top of what became of it elsewhere; null where both changed one place. */
export function carry(sent: string, typed: string, became: string): string | null {
  const mine = difference(sent, typed);
  const theirs = difference(sent, became);
  const moved = theirs.text.length - (theirs.end - theirs.start);
  const by = mine.end <= theirs.start ? 0 : mine.start >= theirs.end ? moved : null;
  return by === null ? null : became.slice(0, mine.start + by) + mine.text + became.slice(mine.end + by);
}

/** Both texts as one: where they differ, theirs and then mine. */
export function together(theirs: string, mine: string): string {
  const { start, end, text } = difference(theirs, mine);
  const before = theirs.slice(0, end);
  const gap = end > start && text && !/\s$/.test(before) && !/^\s/.test(text) ? " " : "";
  return before + gap + text + theirs.slice(end);
}

/** Where a caret at `at` of the old text belongs in the new one. */
export function caretAfter(old: string, next: string, at: number): number {
  const { start, end, text } = difference(old, next);
  if (at <= start) return at;
  return at >= end ? at + text.length - (end - start) : start + text.length;
}
