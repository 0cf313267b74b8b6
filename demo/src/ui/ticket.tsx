// A ticket: its way through the queues, its notes, and who is to care for the patient.

import { useState } from "preact/hooks";
import type { TicketEvent } from "../contract";
import { STAFF } from "../identity";
import type { Portal } from "../portal";
import { QUEUE } from "../state/queue";
import { Avatar } from "./avatar";
import { Dialog } from "./dialog";
import { clock } from "./format";

/** What only the machinery is interested in. */
const SILENT: ReadonlySet<string> = new Set(["renewed", "staff_joined", "staff_left", "step_reached"]);

export function TicketDialog({ portal }: { portal: Portal }) {
  const { ticket } = portal;
  if (ticket.shown.value === null) return null;
  const past = ticket.past.value;
  const now = past?.ticket;
  return (
    <Dialog key={ticket.shown.value} id="ticket" title={now ? `Ticket ${now.number ?? ""} of ${now.patient_id}` : "Ticket"} onClose={ticket.close}>
      {past === null && <p class="quiet" role="status">Reading…</p>}
      {past && (
        <p class="way" data-testid="ticket-way">
          {past.visits.map((visit) => <span key={visit.since} class="chip">{visit.queue} · until {clock(visit.until)}</span>)}
          <span class="chip now">{QUEUE}{now ? "" : " · over"}</span>
        </p>
      )}
      {now && <Assigned portal={portal} users={now.assigned?.map(({ user_id }) => user_id) ?? []} />}
      <ol class="history-list" tabIndex={0} aria-label="What happened to the ticket">
        {past?.history.filter(({ change }) => !SILENT.has(change)).map((event) => <Happened key={event.sequence} portal={portal} event={event} />)}
      </ol>
      {now && <Note portal={portal} />}
    </Dialog>
  );
}

function Happened({ portal: { presence, me }, event }: { portal: Portal; event: TicketEvent }) {
  const name = event.user_id === me.user_id ? "You" : presence.nameOf(event.user_id);
  const people = event.assigned?.map(({ user_id }) => presence.nameOf(user_id)).join(", ");
  const where = event.to_queue ? ` → ${event.to_queue}` : event.from_queue ? ` from ${event.from_queue}` : event.station ? ` · ${event.station}` : "";
  return (
    <li data-testid="ticket-event" data-change={event.change}>
      <Avatar userId={event.user_id} name={name} small />
      <div class="what">
        <p class="who-when"><strong>{name}</strong> <time dateTime={event.timestamp}>{clock(event.timestamp)}</time> <span class="chip">{event.change.replace("_", " ")}{where}</span></p>
        {event.note && <p>{event.note}</p>}
        {event.reason && <p>{event.reason}</p>}
        {event.assigned && <p>{people || "nobody"}</p>}
      </div>
    </li>
  );
}

function Assigned({ portal: { ticket, presence }, users }: { portal: Portal; users: string[] }) {
  const others = new Map([...STAFF, ...presence.users.value].map((person) => [person.user_id, person.name]));
  for (const user of users) others.delete(user);
  return (
    <div class="actions" data-testid="ticket-assigned">
      {users.map((user) => (
        <span key={user} class="chip">{presence.nameOf(user)} <button class="link" aria-label={`${presence.nameOf(user)} is no longer to care for the patient`} data-testid="ticket-unassign" onClick={() => void ticket.unassign(user)}>✕</button></span>
      ))}
      <select aria-label="Who is to care for the patient" data-testid="ticket-assign" value="" onChange={(e) => void ticket.assign(e.currentTarget.value)}>
        <option value="">Who is to care for the patient…</option>
        {[...others].map(([id, name]) => <option key={id} value={id}>{name}</option>)}
      </select>
    </div>
  );
}

function Note({ portal: { ticket } }: { portal: Portal }) {
  const [text, setText] = useState("");
  async function write(event: Event) {
    event.preventDefault();
    if (text.trim() && (await ticket.note(text.trim()))) setText((now) => (now === text ? "" : now)); // the next may be typed
  }
  return (
    <form class="add note" onSubmit={write}>
      <input aria-label="A note for the staff" placeholder="A note for the staff" data-testid="ticket-note" value={text} maxLength={1000} onInput={(e) => setText(e.currentTarget.value)} />
      <button data-testid="ticket-write">Write</button>
    </form>
  );
}
