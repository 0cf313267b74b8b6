// Telling somebody something: a notification to a group, or a direct message to one person.

import { useState } from "preact/hooks";
import type { Addressee } from "../contract";
import { ROLES, STAFF } from "../identity";
import type { Portal } from "../portal";
import { QUEUE } from "../state/queue";

export function Compose({ portal }: { portal: Portal }) {
  const { tell, presence, me } = portal;
  const [to, setTo] = useState("room");
  const [title, setTitle] = useState("");
  const [text, setText] = useState("");
  const [urgent, setUrgent] = useState(false);
  const [must, setMust] = useState(false);
  const direct = to.startsWith("message:");
  const people = new Map([...STAFF, ...presence.users.value].map((person) => [person.user_id, person.name]));
  people.delete(me.user_id);

  async function send(event: Event) {
    event.preventDefault();
    const [kind, id = ""] = split(to);
    const sent = direct ? await tell.write(id, text) : await tell.notify(addressee(kind, id, portal.patient.value), title, text, urgent, must && to !== "room");
    if (!sent) return;
    setTitle((now) => (now === title ? "" : now)); // the next one may already be typed
    setText((now) => (now === text ? "" : now));
  }

  return (
    <form class="compose" data-testid="compose" onSubmit={send}>
      <label>To
        <select data-testid="compose-to" value={to} onChange={(e) => setTo(e.currentTarget.value)}>
          <option value="room">Everybody in this patient’s room</option>
          <option value="all">Everybody</option>
          <option value="staff">The staff of the queue</option>
          <optgroup label="Role">{ROLES.map((role) => <option key={role} value={`role:${role}`}>All: {role}</option>)}</optgroup>
          <optgroup label="Notify one person">{[...people].map(([id, name]) => <option key={id} value={`user:${id}`}>{name}</option>)}</optgroup>
          <optgroup label="Direct message">{[...people].map(([id, name]) => <option key={id} value={`message:${id}`}>Message {name}</option>)}</optgroup>
        </select>
      </label>
      {!direct && <label>Title<input data-testid="compose-title" required maxLength={200} value={title} onInput={(e) => setTitle(e.currentTarget.value)} /></label>}
      <label>{direct ? "Message" : "Text"}<textarea data-testid="compose-text" rows={2} required={direct} maxLength={2000} value={text} onInput={(e) => setText(e.currentTarget.value)} /></label>
      <div class="compose-foot">
        {!direct && <label class="switch"><input type="checkbox" data-testid="compose-urgent" checked={urgent} onChange={(e) => setUrgent(e.currentTarget.checked)} />Warning</label>}
        {!direct && to !== "room" && <label class="switch"><input type="checkbox" data-testid="compose-must" checked={must} onChange={(e) => setMust(e.currentTarget.checked)} />Somebody must acknowledge it</label>}
        <button class="primary" data-testid="compose-send">Send</button>
      </div>
    </form>
  );
}

/** "user:u-1:x" -> ["user", "u-1:x"]; ids may hold colons. */
function split(text: string): [string, string?] {
  const at = text.indexOf(":");
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function addressee(kind: string, id: string, patient: string): Addressee {
  if (kind === "user") return { user: id };
  if (kind === "role") return { role: id };
  if (kind === "staff") return { staff: QUEUE };
  return kind === "all" ? { all: true } : { patient };
}
