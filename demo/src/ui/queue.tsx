// The queue: who waits, who is served, and what this window has called.

import { useRef, useState } from "preact/hooks";
import type { Priority, QueueRow } from "../contract";
import { patientName } from "../identity";
import type { Portal } from "../portal";
import { QUEUE, type Claim, type ClaimAction } from "../state/queue";
import { Avatar } from "./avatar";
import { clock } from "./format";
import { RowActions } from "./row-actions";
import { Panel } from "./panel";
import { QueueFiguresLine } from "./queue-figures";

export function QueuePanel({ portal }: { portal: Portal }) {
  const { queue } = portal;
  const rows = queue.rows.value;
  if (queue.closed.value) {
    return (
      <Panel id="queue" title="Queue">
        <p class="away-note" role="status" data-testid="queue-closed">You no longer see the queue: {queue.closed.value}</p>
      </Panel>
    );
  }
  return (
    <Panel id="queue" title="Queue" away={!queue.available.value} aside={
      <span class="call-next">
        <input aria-label="Your station" placeholder="Your station" data-testid="station" value={queue.station.value} maxLength={40} onInput={(e) => (queue.station.value = e.currentTarget.value)} />
        <button class="primary" data-testid="call-next" onClick={() => void queue.callNext()}>Call next</button>
      </span>
    }>
      {queue.claims.value.map((claim) => <ClaimCard key={claim.ticket} portal={portal} claim={claim} />)}
      {rows.length > 0 ? (
        <div class="scroll" tabIndex={0} role="region" aria-label="Queue table">
          <table>
            <thead><tr><th>No.</th><th>Patient</th><th>Priority</th><th>Status</th><th>Staff</th><th><span class="sr">Actions</span></th></tr></thead>
            <tbody>{rows.map((row) => <Row key={row.ticket} portal={portal} row={row} />)}</tbody>
          </table>
        </div>
      ) : <p class="quiet">Nobody is in the queue.</p>}
      <AddToQueue portal={portal} />
      <QueueFiguresLine portal={portal} />
      <a class="to-board" href={`board/?queue=${QUEUE}`} target="_blank" rel="noopener" data-testid="open-board">Board for the waiting room</a>
    </Panel>
  );
}

function Row({ portal, row }: { portal: Portal; row: QueueRow }) {
  const { presence, queue } = portal;
  const open = row.patient_id === portal.patient.value;
  return (
    <tr data-testid="queue-row" data-patient={row.patient_id} data-status={row.status} class={open ? "open" : ""}>
      <td class="number">{row.queue_position}<button class="link" aria-label={`Ticket ${row.number ?? ""} of ${row.patient_id}`} data-testid="ticket-number" onClick={() => portal.ticket.open(row.ticket, row.patient_id)}>{row.number}</button></td>
      <td>
        <button class="link" onClick={() => void portal.openPatient(row.patient_id)} aria-current={open || undefined}>
          {patientName(row.patient_id) ?? row.patient_id}
        </button>
        <small>{patientName(row.patient_id) && `${row.patient_id} · `}since {clock(row.created_at)}{row.estimated_completion && ` · done by ${clock(row.estimated_completion)} or so`}</small>
      </td>
      <td><span class={`chip ${row.priority}`}>{row.priority}</span></td>
      <td><span class={`chip ${row.status}`}>{row.status.replace("_", " ")}</span></td>
      <td class="faces" data-testid="queue-staff">
        {row.staff_working.map((id) => <Avatar key={id} userId={id} name={presence.nameOf(id)} small />)}
        <span class="sr">{row.staff_working.map(presence.nameOf).join(", ")}</span>
      </td>
      <td>
        {(row.status === "waiting" || row.status === "held") && <RowActions queue={queue} row={row} />}
      </td>
    </tr>
  );
}

function ClaimCard({ portal, claim }: { portal: Portal; claim: Claim }) {
  const { queue } = portal;
  const serving = queue.rows.value.find((row) => row.ticket === claim.ticket)?.status === "serving";
  const act = (action: ClaimAction) => () => void queue.act(action, claim);
  return (
    <div class="claim" data-testid="claim" data-patient={claim.patient_id}>
      <p>
        <strong>{patientName(claim.patient_id) ?? claim.patient_id}</strong> {serving ? "is with you" : "was called by you"}
        {claim.until && <small> · yours until {clock(claim.until)}</small>}
      </p>
      <div class="actions">
        {serving
          ? <button class="primary" data-testid="claim-done" onClick={act("queue_done")}>Done</button>
          : <button class="primary" data-testid="claim-start" onClick={act("queue_serve")}>Start</button>}
        <button data-testid="claim-return" onClick={act("queue_requeue")}>Give back</button>
        <button data-testid="claim-hold" onClick={act("queue_hold")}>Hold</button>
        {!serving && <button data-testid="claim-recall" onClick={act("queue_recall")}>Call again</button>}
        {!serving && <button data-testid="claim-no-show" onClick={act("queue_no_show")}>No show</button>}
        {claim.patient_id !== portal.patient.value &&
          <button class="link" onClick={() => void portal.openPatient(claim.patient_id)}>Open record</button>}
      </div>
    </div>
  );
}

function AddToQueue({ portal }: { portal: Portal }) {
  const [other, setOther] = useState<string | null>(null);
  const [priority, setPriority] = useState<Priority>("normal");
  const patient = other ?? portal.patient.value;
  const input = useRef<HTMLInputElement>(null);
  async function add(event: Event) {
    event.preventDefault();
    if (patient.trim()) await portal.queue.enqueue(patient.trim(), priority);
    if (document.activeElement !== input.current) setOther(null); // else the next one is being typed
  }
  return (
    <form class="add" onSubmit={add}>
      <input ref={input} aria-label="Patient" data-testid="enqueue-patient" value={patient} maxLength={40} onInput={(e) => setOther(e.currentTarget.value)} />
      <select aria-label="Priority" data-testid="enqueue-priority" value={priority} onChange={(e) => setPriority(e.currentTarget.value as Priority)}>
        <option value="high">High</option><option value="normal">Normal</option><option value="low">Low</option>
      </select>
      <button data-testid="enqueue">Add to queue</button>
    </form>
  );
}
