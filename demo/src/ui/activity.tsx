// Who did what, newest first, each with the trace that tells an engineer the rest.

import type { ActivityRow } from "../contract";
import type { Portal } from "../portal";
import { Avatar } from "./avatar";
import { describe } from "./describe";
import { clock } from "./format";
import { Panel } from "./panel";

const SHOWN = 25;

export function ActivityPanel({ portal }: { portal: Portal }) {
  const { activity } = portal;
  const rows = activity.rows.value.filter((row) => describe(row) !== null).slice(0, SHOWN);
  return (
    <Panel id="activity" title="Activity" away={!activity.available.value}>
      <ol class="activity-list">
        {rows.map((row) => <Row key={row.sequence} portal={portal} row={row} />)}
        {!rows.length && <li class="quiet">Nothing has happened yet.</li>}
      </ol>
    </Panel>
  );
}

function Row({ portal, row }: { portal: Portal; row: ActivityRow }) {
  const name = portal.presence.nameOf(row.user_id);
  return (
    <li data-testid="activity-row" data-event={row.event}>
      <Avatar userId={row.user_id} name={name} small />
      <span class="what"><strong>{row.user_id === portal.me.user_id ? "You" : name}</strong> {describe(row)}</span>
      <span class="when">
        <time dateTime={row.timestamp}>{clock(row.timestamp)}</time>
        {row.trace_id && <code title={`Trace ${row.trace_id}`}>{row.trace_id.slice(0, 8)}</code>}
      </span>
    </li>
  );
}
