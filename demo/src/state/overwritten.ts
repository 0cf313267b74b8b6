// Two people wrote one field, and the last one won: both are told who and what, and can put the other value back.

import type { CommittedChange, FieldUpdated, FieldsUpdated } from "../contract";
import { fieldLabel } from "../screening";
import { shownValue } from "../ui/format";
import type { Say } from "./toasts";

type Restore = (field: string, version: number, seen: number) => Promise<void>;

export function createOverwritten(me: string, nameOf: (userId: string) => string, say: Say, restore: Restore) {
  function happened(fact: FieldUpdated | FieldsUpdated): void {
    for (const change of "changes" in fact ? fact.changes : [fact]) tell(change, fact.user_id);
  }

  function tell({ field, value, version, replaced }: CommittedChange, writer: string): void {
    if (!replaced || writer === replaced.user_id || (writer !== me && replaced.user_id !== me)) return;
    const mine = writer === me;
    const other = nameOf(mine ? replaced.user_id : writer);
    const old = replaced.omitted ? "a long value" : `“${shownValue(replaced.value)}”`;
    const now = `“${shownValue(value)}”`;
    const title = mine ? `${fieldLabel(field)}: you wrote over ${other}’s value` : `${fieldLabel(field)}: ${other} wrote over yours`;
    const text = mine ? `${other}: ${old}. Yours is shown: ${now}.` : `Yours: ${old}. ${other}’s is shown: ${now}.`;
    const label = mine ? `Put ${other}’s back` : "Put mine back";
    say("warning", title, text, { label, run: () => void restore(field, replaced.version, version) });
  }

  return { happened };
}
