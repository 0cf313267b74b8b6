// Big numbers, their stations, who is next, and how long it takes: to be read from the far end of a dark room.

import type { BoardTicket } from "../contract";
import { waitText } from "../ui/format";
import { callKey, type BoardState } from "./board";

const OTHERS_SHOWN = 8;
const NEXT_SHOWN = 12;

export function BoardPage({ board }: { board: BoardState }) {
  const shown = board.shown.value;
  return (
    <div class={`board ${board.link.value}`} data-testid="board" data-link={board.link.value}>
      <header>
        <h1>{board.queue}</h1>
        <p class="trouble" role="status">{board.refusal.value ?? (board.link.value === "reconnecting" ? "Reconnecting…" : "")}</p>
        <time>{board.now.value.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}</time>
      </header>
      {shown && (
        <main>
          <Calls board={board} called={shown.called} />
          <aside>
            <section>
              <h2>Next</h2>
              {shown.next.length > 0
                ? <ol class="next">{shown.next.slice(0, NEXT_SHOWN).map((number) => <li key={number} data-testid="board-next">{number}</li>)}</ol>
                : <p class="soft">Nobody is waiting.</p>}
            </section>
            <section class="numbers">
              <p><strong data-testid="board-waiting">{shown.waiting}</strong> waiting</p>
              {shown.estimated_wait && <p data-testid="board-wait"><strong>{waitText(shown.estimated_wait)}</strong> wait at present</p>}
            </section>
          </aside>
        </main>
      )}
    </div>
  );
}

/** Whoever was called last and has not come yet is the biggest. */
function Calls({ board, called }: { board: BoardState; called: readonly BoardTicket[] }) {
  const hero = called.find((call) => !call.serving);
  const others = called.filter((call) => call !== hero).slice(0, OTHERS_SHOWN);
  return (
    <section class="calls">
      <h2>{hero ? "Please come" : called.length > 0 ? "In progress" : "Please wait for your number"}</h2>
      <div aria-live="polite">{hero && <Call key={callKey(hero)} call={hero} board={board} hero />}</div>
      <ul class="others">{others.map((call) => <li key={callKey(call)}><Call call={call} board={board} /></li>)}</ul>
    </section>
  );
}

function Call({ call, board, hero }: { call: BoardTicket; board: BoardState; hero?: boolean }) {
  const fresh = !call.serving && board.fresh.value.has(callKey(call));
  const state = `${hero ? "hero " : ""}${call.serving ? "serving " : ""}${fresh ? "fresh" : ""}`;
  return (
    <div class={`call ${state}`} data-testid="board-call" data-number={call.number} data-fresh={fresh} data-serving={call.serving}>
      <span class="number">{call.number}</span>
      <span class="station">{call.station ?? ""}</span>
    </div>
  );
}
