// Live collaboration: is this window connected, and who else is in this record?

import type { ActiveUser } from "../contract";
import type { Portal } from "../portal";
import { fieldLabel, stepName } from "../screening";
import type { Status } from "../socket";
import { Avatar } from "./avatar";
import { clock } from "./format";
import { Panel } from "./panel";

const LABELS: Record<Status, string> = {
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
  ended: "Session ended",
};

export function Collaboration({ portal }: { portal: Portal }) {
  const { link, presence, me } = portal;
  const users = presence.users.value;
  const { active, away, more } = presence.counts.value;
  const status = link.status.value;
  const doubt = doubtful(portal);
  return (
    <Panel id="collaboration" title="Live collaboration" away={!presence.available.value} aside={
      <p class="staff-line">
        <strong data-testid="staff-count">{active}</strong> active staff{away > 0 && `, ${away} away`}
        <button class="link details" data-testid="people-open" onClick={() => void portal.people.open()}>Details</button>
        <span class={`status ${status}`} role="status" data-testid="status">{LABELS[status]}</span>
      </p>
    }>
      {link.refusal.value && (
        <p class="away-note" role="alert" data-testid="refusal">The server does not let this window in: {link.refusal.value}. It is tried again by itself.</p>
      )}
      {doubt && <p class="away-note" role="status" data-testid="roster-stale">{doubt}</p>}
      <ul class={doubt ? "badges doubtful" : "badges"} aria-label="Who is here">
        {users.map((user) => <Badge key={user.user_id} user={user} mine={user.user_id === me.user_id} />)}
        {more > 0 && <li class="badge more" data-testid="staff-more">and {more} more</li>}
        {!users.length && <li class="quiet">Nobody is shown yet.</li>}
      </ul>
    </Panel>
  );
}

/** "I cannot see" is not "they left": why the roster may not be true, or null. */
function doubtful({ link, presence }: Portal): string | null {
  const whole = presence.whole.value;
  if (link.status.value === "reconnecting" && presence.users.value.length) return "As it was when the connection was lost. People may have come or gone.";
  if (!whole?.stale) return null;
  const since = whole.since ? ` since ${clock(whole.since)}` : "";
  return `Not everybody’s connection can be seen${since}. People may have come or gone.`;
}

function Badge({ user, mine }: { user: ActiveUser; mine: boolean }) {
  const fields = user.editing.map(fieldLabel).join(", ");
  const times = `Here since ${clock(user.joined_at)}, last active ${clock(user.last_activity)}`;
  return (
    <li class={`badge ${user.status}`} data-testid="staff-badge" data-user={user.user_id} title={times}>
      <span class="face"><Avatar userId={user.user_id} name={user.name} /><i class="dot" /></span>
      <span class="who">
        <strong>{user.name}{mine && <em> you</em>}</strong>
        <small>{user.role} · {stepName(user.step)}</small>
        <small><span data-testid="badge-status">{user.status}</span> · {fields ? `editing ${fields}` : `since ${clock(user.joined_at)}`}</small>
      </span>
    </li>
  );
}
