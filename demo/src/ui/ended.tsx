// The session, or the right to this record, is over: said in words, with what can be done about it.

import type { Portal } from "../portal";
import { Dialog } from "./dialog";

export function SessionEnd({ portal }: { portal: Portal }) {
  const { link, record } = portal;
  const end = link.ended.value;
  if (!end) return null;
  const kicked = end.reason === "kicked";
  return (
    <Dialog id="ended" title={kicked ? "Somebody has ended your session" : "Your access has ended"}>
      <p class="lead" data-testid="ended-message">{end.message}</p>
      {record.waiting.value > 0 && <p class="lead">What you have not saved is kept in this window as long as it is open.</p>}
      <div class="actions">
        {kicked && <button class="primary" data-testid="come-back" onClick={link.comeBack}>Come back</button>}
        <a class="button" href="?">To the start page</a>
      </div>
    </Dialog>
  );
}

export function RecordClosed({ portal }: { portal: Portal }) {
  const why = portal.closed.value;
  if (!why) return null;
  return (
    <section class="panel closed" role="alert" data-testid="record-closed">
      <h2>This record is closed to you</h2>
      <p>{why}</p>
      <p>What you see below is as it was then. {portal.record.waiting.value > 0 && "What you have not saved is kept here."}</p>
      <div class="actions">
        <button data-testid="ask-again" onClick={portal.askAgain}>Ask again</button>
        <a class="button" href="?">Another patient</a>
      </div>
    </section>
  );
}
