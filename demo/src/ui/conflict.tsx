// Somebody else changed the same field first: both values, and the person's decision.

import { useState } from "preact/hooks";
import type { Json, RecordField } from "../contract";
import type { Portal } from "../portal";
import { fieldLabel, policyOf } from "../screening";
import { together } from "../text";
import { Avatar } from "./avatar";
import { Dialog } from "./dialog";
import { Marked } from "./diff";
import { clock, shownValue } from "./format";

/** Opens by itself for each new conflict; who puts it off finds it again at the field. */
export function Conflicts({ portal }: { portal: Portal }) {
  const { conflicts, asking } = portal.record;
  const field = asking.value;
  if (field === null || !conflicts.value.has(field)) return null;
  return <Decision key={field} portal={portal} field={field} mine={conflicts.value.get(field) ?? null} />;
}

function Decision({ portal, field, mine }: { portal: Portal; field: string; mine: Json }) {
  const { record, presence, me } = portal;
  const theirs: RecordField | undefined = record.fields.value.get(field);
  const other = !theirs ? "nobody" : theirs.user_id === me.user_id ? "you, in another window" : presence.nameOf(theirs.user_id);
  const [my, their] = [text(mine), text(theirs?.value)];
  const seen = theirs?.version ?? 0;
  const mergeable = policyOf(field) === "merge";
  return (
    <Dialog id="conflict" title={`${fieldLabel(field)}: which value is right?`} onClose={record.putOff}>
      <p class="lead">
        {theirs ? <>While you were writing, <strong>{other}</strong> changed this field. Nothing is lost: choose what is kept.</> : "This field was changed meanwhile."}
      </p>
      <div class="versions">
        <section class="version" aria-label="Your value">
          <h3><Avatar userId={me.user_id} name={me.name} small /> Yours <small>not saved yet</small></h3>
          <p class="value" data-testid="conflict-mine">{my ? <Marked text={my} other={their} /> : shownValue(mine)}</p>
          <button data-testid="keep-mine" onClick={() => record.decide(field, mine, seen)}>Keep mine</button>
        </section>
        <section class="version" aria-label={`Value of ${other}`}>
          <h3>{theirs && <Avatar userId={theirs.user_id} name={other} small />} {other} <small>{theirs && clock(theirs.timestamp)}</small></h3>
          <p class="value" data-testid="conflict-theirs">{their ? <Marked text={their} other={my} /> : shownValue(theirs?.value)}</p>
          <button data-testid="keep-theirs" onClick={() => record.discard(field)}>Keep {theirs ? "theirs" : "it empty"}</button>
        </section>
      </div>
      {mergeable && <Merged key={seen} start={together(their, my)} save={(value) => record.decide(field, value, seen)} />}
    </Dialog>
  );
}

/** Both as one text, to be put right by hand. */
function Merged({ start, save }: { start: string; save(value: string): void }) {
  const [value, setValue] = useState(start);
  return (
    <form class="combine" onSubmit={(event) => { event.preventDefault(); save(value); }}>
      <label for="merged-text">Both, put together <small>change it as you like</small></label>
      <textarea id="merged-text" data-testid="conflict-merged" rows={3} maxLength={2000} value={value} onInput={(e) => setValue(e.currentTarget.value)} />
      <button class="primary" data-testid="keep-merged">Keep both</button>
    </form>
  );
}

const text = (value: Json | undefined): string => (typeof value === "string" ? value : value == null ? "" : shownValue(value));
