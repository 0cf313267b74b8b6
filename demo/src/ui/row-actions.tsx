// What can be done with a ticket that nobody holds.

import { useRef, useState } from "preact/hooks";
import type { Priority, QueueRow } from "../contract";
import type { Queue } from "../state/queue";

export function RowActions({ queue, row }: { queue: Queue; row: QueueRow }) {
  const [to, setTo] = useState("");
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);
  const { ticket, patient_id: patient } = row;
  const id = `actions-${ticket}`;

  /** Below its button, and above everything else. */
  function place(): void {
    const { bottom, right } = button.current!.getBoundingClientRect();
    menu.current!.style.top = `${Math.max(8, Math.min(bottom, innerHeight - 260))}px`;
    menu.current!.style.right = `${innerWidth - right}px`;
  }

  function run(action: () => Promise<void>): void {
    menu.current?.hidePopover();
    void action();
  }

  function transfer(event: Event): void {
    event.preventDefault();
    if (to.trim()) run(() => queue.transfer(ticket, to.trim()));
  }

  return (
    <>
      <button ref={button} class="quiet-button" data-testid="row-actions" popovertarget={id} aria-label={`What to do with the ticket of ${patient}`} onClick={place}>⋯</button>
      <div ref={menu} id={id} popover="auto" class="row-menu">
        {row.status === "held"
          ? <button data-testid="row-resume" onClick={() => run(() => queue.resume(ticket))}>Resume</button>
          : <button data-testid="row-hold" onClick={() => run(() => queue.hold(ticket))}>Hold</button>}
        {row.status === "waiting" && <button data-testid="row-front" onClick={() => run(() => queue.toTheFront(ticket))}>To the front</button>}
        <select aria-label="Priority of the ticket" data-testid="row-priority" value={row.priority} onChange={(e) => {
          const priority = e.currentTarget.value as Priority;
          run(() => queue.setPriority(ticket, priority));
        }}>
          <option value="high">High</option><option value="normal">Normal</option><option value="low">Low</option>
        </select>
        <form onSubmit={transfer}>
          <input aria-label="Another queue" placeholder="Another queue" data-testid="row-to" value={to} maxLength={40} onInput={(e) => setTo(e.currentTarget.value)} />
          <button data-testid="row-transfer">Send</button>
        </form>
        <button data-testid="row-cancel" onClick={() => run(() => queue.cancel(ticket))}>Take out</button>
      </div>
    </>
  );
}
