// One field: its input, who is editing it, who wrote it last, and whether it is saved.

import type { Json } from "../contract";
import type { Portal } from "../portal";
import type { FieldSpec } from "../screening";
import { Avatar } from "./avatar";
import { clock, shownValue } from "./format";

interface Props {
  portal: Portal;
  spec: FieldSpec;
}

export function Field({ portal, spec }: Props) {
  const { record, presence } = portal;
  const editors = presence.editors.value.get(spec.name) ?? [];
  const flash = record.fresh.value.get(spec.name);
  const id = `input-${spec.name}`;
  return (
    <div class={`field ${spec.wide ? "wide" : ""} ${editors.length ? "busy" : ""}`}>
      {flash !== undefined && <span key={flash} class="flash" data-testid={`flash-${spec.name}`} />}
      <label for={id} id={`label-${spec.name}`}>{spec.label}{spec.hint && <small> {spec.hint}</small>}</label>
      <Input portal={portal} spec={spec} id={id} />
      <p class="field-foot">
        {editors.length > 0 && (
          <span class="editing" data-testid={`editing-${spec.name}`}>
            <Avatar userId={editors[0]!.user_id} name={editors[0]!.name} small />
            {editors.map((user) => user.name).join(", ")} {editors.length > 1 ? "are" : "is"} editing
          </span>
        )}
        <LastWrite portal={portal} name={spec.name} brief={editors.length > 0} />
        <Saved portal={portal} name={spec.name} />
      </p>
    </div>
  );
}

function Input({ portal, spec, id }: Props & { id: string }) {
  const { record } = portal;
  const value = record.shown(spec.name);
  const common = {
    id,
    "data-testid": `field-${spec.name}`,
    onFocus: () => portal.focusOn(spec.name),
    onBlur: () => {
      portal.focusOn(null);
      record.leaveField();
    },
  };
  const typed = (text: string) => record.edit(spec.name, text, "typed");
  const chosen = (choice: Json) => record.edit(spec.name, choice, "chosen");
  const text = typeof value === "string" || typeof value === "number" ? String(value) : "";
  switch (spec.kind) {
    case "area":
      return <textarea {...common} rows={3} maxLength={2000} value={text} onInput={(e) => typed(e.currentTarget.value)} />;
    case "choice":
      return (
        <select {...common} value={text} onChange={(e) => chosen(e.currentTarget.value || null)}>
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
                checked={value === option} onFocus={common.onFocus} onBlur={common.onBlur} onChange={() => chosen(option)} />
              {label}
            </label>
          ))}
        </div>
      );
    case "text":
      return <input {...common} type="text" inputMode={spec.inputMode} placeholder={spec.placeholder} maxLength={120}
        value={text} onInput={(e) => typed(e.currentTarget.value)} />;
  }
}

/** Who wrote the value, or what somebody wrote since the edit here began; `brief`: only the latter. */
function LastWrite({ portal, name, brief }: { portal: Portal; name: string; brief: boolean }) {
  const known = portal.record.fields.value.get(name);
  const other = portal.record.meanwhile(name);
  if (other) return <span class="meanwhile" data-testid={`meanwhile-${name}`}>{portal.presence.nameOf(other.user_id)} wrote “{shownValue(other.value)}” meanwhile</span>;
  if (!known || brief) return null;
  const by = known.user_id === portal.me.user_id ? "you" : portal.presence.nameOf(known.user_id);
  return <span data-testid={`by-${name}`} title={`version ${known.version}`}>{by}, {clock(known.timestamp)}</span>;
}

function Saved({ portal, name }: { portal: Portal; name: string }) {
  const state = portal.record.saveState(name);
  const text = { saved: "", draft: "typing…", saving: "saving…", unsaved: "not saved yet" }[state];
  return <span class={`saved ${state}`} data-testid={`state-${name}`} data-state={state}>{text}</span>;
}
