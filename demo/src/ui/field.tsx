// One field: its input, who is editing it, who wrote it last, and whether it is saved.

import { useLayoutEffect, useRef } from "preact/hooks";
import type { ActiveUser, Json } from "../contract";
import type { Portal } from "../portal";
import type { FieldSpec } from "../screening";
import { caretAfter } from "../text";
import { Avatar, personal } from "./avatar";
import { clock, shownValue } from "./format";
import { LockButton } from "./lock";

interface Props {
  portal: Portal;
  spec: FieldSpec;
}

export function Field({ portal, spec }: Props) {
  const { record, presence, history } = portal;
  const editors = presence.editors.value.get(spec.name) ?? [];
  const flash = record.fresh.value.get(spec.name);
  const id = `input-${spec.name}`;
  const state = record.saveState(spec.name);
  return (
    <div class={`field ${spec.wide ? "wide" : ""} ${editors.length ? "busy" : ""} is-${state}`} style={editors[0] && personal(editors[0].user_id)}>
      {flash !== undefined && <span key={flash} class="flash" data-testid={`flash-${spec.name}`} />}
      <div class="field-head">
        <label for={id} id={`label-${spec.name}`}>{spec.label}{spec.hint && <small> {spec.hint}</small>}</label>
        {editors.length > 0 && (
          <span class="editing" data-testid={`editing-${spec.name}`} title={whoEdits(editors)}>
            <Avatar userId={editors[0]!.user_id} name={editors[0]!.name} small />
            <span class="fits">{whoEdits(editors)}</span>
          </span>
        )}
        <LockButton portal={portal} spec={spec} />
      </div>
      <Input portal={portal} spec={spec} id={id} />
      <Trouble portal={portal} spec={spec} />
      <p class="field-foot" id={`foot-${spec.name}`}>
        <LastWrite portal={portal} name={spec.name} />
        <Saved portal={portal} name={spec.name} />
        {record.fields.value.has(spec.name) && (
          <button type="button" class="link" data-testid={`history-${spec.name}`} aria-label={`History of ${spec.label}`} onClick={() => history.show(spec.name)}>History</button>
        )}
      </p>
    </div>
  );
}

const whoEdits = (users: readonly ActiveUser[]): string =>
  `${users.map((user) => user.name).join(", ")} ${users.length > 1 ? "are" : "is"} editing`;

/** Why the server did not take what was typed, or that somebody else was first. */
function Trouble({ portal: { record }, spec }: Props) {
  const problem = record.problem(spec.name);
  if (record.conflicts.value.has(spec.name)) {
    return (
      <p class="trouble" role="status">
        Two values. <button type="button" class="link" data-testid={`choose-${spec.name}`} onClick={() => record.ask(spec.name)}>Choose which is kept</button>
      </p>
    );
  }
  if (problem === undefined) return null;
  return (
    <p class="trouble" role="alert" id={`problem-${spec.name}`} data-testid={`problem-${spec.name}`}>
      Not saved: {spec.rule ? `must be ${spec.rule}` : problem}{" "}
      <button type="button" class="link" onClick={() => record.discard(spec.name)}>Discard</button>
    </p>
  );
}

function Input({ portal, spec, id }: Props & { id: string }) {
  const { record, locks } = portal;
  const locked = locks.against(spec.name) !== undefined;
  const value = record.shown(spec.name);
  const text = typeof value === "string" || typeof value === "number" ? String(value) : "";
  const caret = useCaret(text);
  const wrong = record.problem(spec.name) !== undefined;
  const common = {
    id,
    "aria-invalid": wrong || undefined,
    "aria-describedby": wrong ? `problem-${spec.name}` : `foot-${spec.name}`,
    "data-testid": `field-${spec.name}`,
    onFocus: () => portal.focusOn(spec.name),
    onBlur: () => {
      portal.focusOn(null);
      record.leaveField();
    },
  };
  const typed = (text: string) => record.edit(spec.name, text, "typed");
  const chosen = (choice: Json) => record.edit(spec.name, choice, "chosen");
  switch (spec.kind) {
    case "area":
      return <textarea {...common} ref={caret} readOnly={locked} rows={3} maxLength={2000} value={text} onInput={(e) => typed(e.currentTarget.value)} />;
    case "choice":
      return (
        <select {...common} disabled={locked} value={text} onChange={(e) => chosen(e.currentTarget.value || null)}>
          <option value="">Not recorded</option>
          {text && !spec.options.includes(text) && <option>{text}</option>}
          {spec.options.map((option) => <option key={option}>{option}</option>)}
        </select>
      );
    case "yesno":
      return (
        <div class="yesno" role="radiogroup" aria-labelledby={`label-${spec.name}`} id={id} data-testid={common["data-testid"]}>
          {([[true, "Yes"], [false, "No"]] as const).map(([option, label]) => (
            <label key={label}>
              <input type="radio" name={spec.name} data-testid={`field-${spec.name}-${label.toLowerCase()}`}
                disabled={locked} checked={value === option} onFocus={common.onFocus} onBlur={common.onBlur} onChange={() => chosen(option)} />
              {label}
            </label>
          ))}
        </div>
      );
    case "text":
      return <input {...common} ref={caret} readOnly={locked} type="text" inputMode={spec.inputMode} placeholder={spec.placeholder} maxLength={120}
        value={text} onInput={(e) => typed(e.currentTarget.value)} />;
  }
}

/** What others change in a text does not move the caret of who is typing in it. */
function useCaret(text: string) {
  const element = useRef<HTMLInputElement & HTMLTextAreaElement>(null);
  const input = element.current;
  const typing = input !== null && input === document.activeElement && input.value !== text;
  const before = typing ? { text: input.value, start: input.selectionStart ?? 0, end: input.selectionEnd ?? 0 } : null;
  useLayoutEffect(() => {
    if (before) element.current?.setSelectionRange(caretAfter(before.text, text, before.start), caretAfter(before.text, text, before.end));
  });
  return element;
}

/** Who wrote the value, or what somebody wrote since the edit here began. */
function LastWrite({ portal, name }: { portal: Portal; name: string }) {
  const known = portal.record.fields.value.get(name);
  const other = portal.record.meanwhile(name);
  if (other) return <span class="meanwhile" data-testid={`meanwhile-${name}`}>{portal.presence.nameOf(other.user_id)} wrote “{shownValue(other.value)}” meanwhile</span>;
  if (!known) return null;
  const by = known.user_id === portal.me.user_id ? "you" : portal.presence.nameOf(known.user_id);
  return <span data-testid={`by-${name}`} title={`version ${known.version}`}>{by}, {clock(known.timestamp)}</span>;
}

function Saved({ portal, name }: { portal: Portal; name: string }) {
  const state = portal.record.saveState(name);
  const text = { saved: "", draft: "typing…", saving: "saving…", unsaved: "not saved yet", invalid: "not saved", conflict: "not saved" }[state];
  return <span class={`saved ${state}`} data-testid={`state-${name}`} data-state={state}>{text}</span>;
}
