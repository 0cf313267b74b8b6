// Who is here, since when and with what.

import type { PersonHere } from "../contract";
import type { Portal } from "../portal";
import { stepName } from "../screening";
import { Avatar } from "./avatar";
import { Dialog } from "./dialog";
import { clock } from "./format";

export function PeopleDialog({ portal }: { portal: Portal }) {
  const { people } = portal;
  const users = people.shown.value;
  if (users === null) return null;
  return (
    <Dialog id="people" title="Who is here" onClose={people.close}>
      <ol class="history-list" tabIndex={0} aria-label="People, in the order in which they came">
        {users.map((user) => <Person key={user.user_id} user={user} />)}
      </ol>
      {people.next.value !== null && <button data-testid="people-more" onClick={people.more}>More</button>}
    </Dialog>
  );
}

function Person({ user }: { user: PersonHere }) {
  const windows = user.tabs === 0 ? "connection lost just now" : user.tabs === 1 ? "one window" : `${user.tabs} windows`;
  const devices = user.devices.length > 0 ? ` on ${user.devices.join(" and ")}` : "";
  return (
    <li data-testid="person" data-user={user.user_id}>
      <Avatar userId={user.user_id} name={user.name} />
      <div class="what">
        <strong>{user.name}</strong> <span class={`chip ${user.status === "active" ? "now" : "called"}`}>{user.status}</span>
        <p class="who-when">{user.role} · {stepName(user.step)} · {windows}{devices}</p>
        <p class="who-when">here since {clock(user.joined_at)} · last active {clock(user.last_activity)}</p>
      </div>
    </li>
  );
}
