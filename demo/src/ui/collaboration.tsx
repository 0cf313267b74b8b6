// Live collaboration: is this window connected, and who else is in this record?

import type { ActiveUser } from "../contract";
import type { Portal } from "../portal";
import { fieldLabel, stepName } from "../screening";
import type { Status } from "../socket";
import { Avatar } from "./avatar";
import { Panel } from "./panel";

const LABELS: Record<Status, string> = {
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
};

export function Collaboration({ portal }: { portal: Portal }) {
  const { link, presence, me } = portal;
  const users = presence.users.value;
  const away = users.filter((user) => user.status === "away").length;
  const status = link.status.value;
  return (
    <Panel id="collaboration" title="Live collaboration" away={!presence.available.value} aside={
      <p class="staff-line">
        <strong data-testid="staff-count">{users.length - away}</strong> active staff{away > 0 && `, ${away} away`}
        <span class={`status ${status}`} role="status" data-testid="status">{LABELS[status]}</span>
      </p>
    }>
      {link.refusal.value && <p class="away-note" role="alert">The server refuses the connection: {link.refusal.value}</p>}
      <ul class="badges">
        {users.map((user) => <Badge key={user.user_id} user={user} mine={user.user_id === me.user_id} />)}
        {!users.length && <li class="quiet">Nobody is shown yet.</li>}
      </ul>
    </Panel>
  );
}

function Badge({ user, mine }: { user: ActiveUser; mine: boolean }) {
  const doing = user.focus ? `editing ${fieldLabel(user.focus)}` : stepName(user.step);
  return (
    <li class={`badge ${user.status}`} data-testid="staff-badge" data-user={user.user_id}>
      <span class="face"><Avatar userId={user.user_id} name={user.name} /><i class="dot" /></span>
      <span class="who">
        <strong>{user.name}{mine && <em> you</em>}</strong>
        <small>{user.role} · {doing} · <span data-testid="badge-status">{user.status}</span></small>
      </span>
    </li>
  );
}
