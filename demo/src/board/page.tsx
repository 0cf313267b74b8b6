// Big numbers, their stations, who is next, and how long it takes: to be read from the far end of a dark room.

import type { BoardTicket } from "../contract";
import { waitText } from "../ui/format";
import { callKey, type BoardState } from "./board";

const OTHERS_SHOWN = { besideAHero: 6, alone: 10 }; // as many as a screen of 16 to 9 has room for
const NEXT_SHOWN = 12;

export function BoardPage({ board }: { board: BoardState }) {
  const shown = board.shown.value;
  return (
    <div class={`board ${board.link.value}`} data-testid="board" data-link={board.link.value}>
      <header>
        <h1>{board.queue}</h1>
        <p class="trouble" role="status" data-testid="board-trouble">{trouble(board)}</p>
        <time>{clock(board.now.value)}</time>
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

function trouble(board: BoardState): string {
  const since = board.lostAt.value;
  if (board.refusal.value) return board.refusal.value;
  if (board.link.value === "connecting") return "Connecting…";
  return since ? `No connection since ${clock(since)}: please ask at the desk` : "";
}

function clock(time: Date): string {
  return time.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

/** Whoever was called last and has not come yet is the biggest; who is being served comes last. */
function Calls({ board, called }: { board: BoardState; called: readonly BoardTicket[] }) {
  const [hero, ...awaited] = called.filter((call) => !call.serving);
  const others = [...awaited, ...called.filter((call) => call.serving)];
  const shown = others.slice(0, hero ? OTHERS_SHOWN.besideAHero : OTHERS_SHOWN.alone);
  const hidden = others.length - shown.length;
  return (
    <section class="calls">
      {called.length > 0 ? <h2>{hero ? "Please come" : "In progress"}</h2> : <p class="idle">Please wait for your number.</p>}
      <div aria-live="polite">{hero && <Call key={callKey(hero)} call={hero} board={board} hero />}</div>
      <ul class="others">{shown.map((call) => <li key={callKey(call)}><Call call={call} board={board} /></li>)}</ul>
      {hidden > 0 && <p class="soft more" data-testid="board-more">and {hidden} more</p>}
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
