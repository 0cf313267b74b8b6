// What changed between two texts, readable also without colours: removed is struck, added is underlined.

import type { TextEdit } from "../contract";
import { difference } from "../text";

/** `old` with the edits in it; their positions count characters, not UTF-16 units. */
export function Diff({ old, edits }: { old: string; edits: readonly TextEdit[] }) {
  const characters = [...old];
  let at = 0;
  const parts = edits.map((edit) => {
    const kept = characters.slice(at, edit.at).join("");
    at = edit.at + [...edit.removed].length;
    return <>{kept}{edit.removed && <del>{edit.removed}</del>}{edit.added && <ins>{edit.added}</ins>}</>;
  });
  return <span class="diff">{parts}{characters.slice(at).join("")}</span>;
}

/** `text`, with what `other` does not have marked. */
export function Marked({ text, other }: { text: string; other: string }) {
  const { start, end } = difference(text, other);
  return <>{text.slice(0, start)}{end > start && <mark>{text.slice(start, end)}</mark>}{text.slice(end)}</>;
}
