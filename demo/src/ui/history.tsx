// The versions of one field: who wrote what when, what changed, and going back.

import type { HistoryRow } from "../contract";
import type { Portal } from "../portal";
import { fieldLabel } from "../screening";
import { Avatar } from "./avatar";
import { Dialog } from "./dialog";
import { Diff } from "./diff";
import { clock, shownValue } from "./format";

export function HistoryDialog({ portal }: { portal: Portal }) {
  const { history } = portal;
  const field = history.field.value;
  if (field === null) return null;
  const rows = history.rows.value;
  return (
    <Dialog key={field} id="history" title={`History: ${fieldLabel(field)}`} onClose={history.close}>
      {history.state.value === "away" && <p class="away-note" role="status">Temporarily unavailable; we keep asking.</p>}
      {!rows.length && <p class="quiet" role="status">{history.state.value === "loading" ? "Reading…" : "Nobody has written this field yet."}</p>}
      <ol class="history-list" tabIndex={0} aria-label="Versions, newest first">
        {rows.map((row, at) => <Version key={row.version} portal={portal} row={row} newest={at === 0} />)}
      </ol>
      {history.before.value !== null && <button data-testid="history-older" onClick={() => void history.loadOlder()}>Older versions</button>}
    </Dialog>
  );
}

function Version({ portal, row, newest }: { portal: Portal; row: HistoryRow; newest: boolean }) {
  const { history, presence, record, me } = portal;
  const name = presence.nameOf(row.user_id);
  const restore = () => void history.restore(row.field, row.version, record.fields.value.get(row.field)?.version ?? row.version);
  return (
    <li data-testid="history-row" data-version={row.version}>
      <Avatar userId={row.user_id} name={name} small />
      <div class="what">
        <p class="who-when"><strong>{row.user_id === me.user_id ? "You" : name}</strong> <time dateTime={row.timestamp}>{clock(row.timestamp)}</time> <Became row={row} /></p>
        <p class="value"><Change row={row} /></p>
      </div>
      {newest
        ? <span class="chip now">current</span>
        : <button data-testid={`restore-${row.version}`} aria-label={`Restore version ${row.version}: ${shownValue(row.value)}`} onClick={restore}>Restore</button>}
    </li>
  );
}

function Change({ row }: { row: HistoryRow }) {
  const old = row.previous?.value;
  if (row.diff?.length && typeof old === "string") return <Diff old={old} edits={row.diff} />;
  if (row.previous === null) return <>{shownValue(row.value)}</>;
  return <><del>{shownValue(old)}</del> → <ins>{shownValue(row.value)}</ins></>;
}

function Became({ row }: { row: HistoryRow }) {
  if (row.restored !== null) return <span class="chip">version {row.restored} again</span>;
  if (row.outcome === "merged") return <span class="chip">put together</span>;
  return row.outcome === "overwrote" ? <span class="chip called">wrote over another’s</span> : null;
}
