// Who did what, newest first, each with the trace that tells an engineer the rest.

import type { ActivityKind, ActivityRow } from "../contract";
import type { Portal } from "../portal";
import { Avatar } from "./avatar";
import { describe, OUTCOMES } from "./describe";
import { clock } from "./format";
import { Panel } from "./panel";

const KINDS: Record<ActivityKind, string> = {
  field: "Fields",
  step: "Workflow",
  presence: "Coming and going",
  queue: "Queue",
  notification: "Notifications",
  read: "Who looked",
  refusal: "Refusals",
};
const HOURS = { 0: "Any time", 1: "Last hour", 24: "Last 24 hours", 168: "Last 7 days" };

export function ActivityPanel({ portal }: { portal: Portal }) {
  const { activity } = portal;
  const rows = activity.rows.value;
  return (
    <Panel id="activity" title="Activity" away={!activity.available.value}>
      <Filters portal={portal} />
      <ol class="activity-list" tabIndex={0} aria-label="Activity, newest first">
        {rows.map((row) => <Row key={row.sequence} portal={portal} row={row} />)}
        {!rows.length && <li class="quiet">Nothing to show.</li>}
        {activity.before.value !== null && (
          <li><button class="link" data-testid="activity-older" onClick={() => void activity.loadOlder()}>Older</button></li>
        )}
      </ol>
    </Panel>
  );
}

function Filters({ portal }: { portal: Portal }) {
  const { activity, presence } = portal;
  const { kind, user, hours } = activity.filter.value;
  const ids = new Set([...activity.people.value, ...presence.users.value.map((person) => person.user_id)]);
  return (
    <div class="filters">
      <select aria-label="What" data-testid="activity-kind" value={kind} onChange={(e) => activity.show({ kind: e.currentTarget.value as ActivityKind | "" })}>
        <option value="">Everything</option>
        {Object.entries(KINDS).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
      </select>
      <select aria-label="Who" data-testid="activity-user" value={user} onChange={(e) => activity.show({ user: e.currentTarget.value })}>
        <option value="">Everybody</option>
        {[...ids].map((id) => <option key={id} value={id}>{presence.nameOf(id)}</option>)}
      </select>
      <select aria-label="When" data-testid="activity-when" value={hours} onChange={(e) => activity.show({ hours: Number(e.currentTarget.value) })}>
        {Object.entries(HOURS).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
      </select>
    </div>
  );
}

function Row({ portal, row }: { portal: Portal; row: ActivityRow }) {
  const name = portal.presence.nameOf(row.user_id);
  const outcome = OUTCOMES[row.outcome];
  return (
    <li data-testid="activity-row" data-event={row.event}>
      <Avatar userId={row.user_id} name={name} small />
      <span class="what">
        <strong>{row.user_id === portal.me.user_id ? "You" : name}</strong> {describe(row)}
        {outcome && <> <span class="chip called">{outcome}</span></>}
      </span>
      <span class="when">
        <time dateTime={row.timestamp}>{clock(row.timestamp)}</time>
        {row.trace_id && <code title={`Trace ${row.trace_id}`}>{row.trace_id.slice(0, 8)}</code>}
      </span>
    </li>
  );
}
