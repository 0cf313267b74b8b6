// The lock of a field: whose it is, and taking it over, which is asked first.

import type { Portal } from "../portal";
import { fieldLabel, type FieldSpec } from "../screening";
import { Dialog } from "./dialog";
import { clock } from "./format";

export function LockButton({ portal: { locks, me, presence }, spec }: { portal: Portal; spec: FieldSpec }) {
  const lock = locks.held.value.get(spec.name);
  const mine = lock?.user_id === me.user_id;
  const label = !lock ? `Lock ${spec.label}` : mine ? `Unlock ${spec.label}` : `Take over the lock of ${spec.label}`;
  return (
    <span class={`lock ${lock ? (mine ? "mine" : "theirs") : "free"}`}>
      {lock && <span class="fits" data-testid={`locked-${spec.name}`}>{mine ? "Locked by you" : `${presence.nameOf(lock.user_id)} has locked it`}</span>}
      <button type="button" class="quiet-button" aria-label={label} title={label} data-testid={`lock-${spec.name}`} onClick={() => void locks.press(spec.name)}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d={lock ? "M5 7V5a3 3 0 0 1 6 0v2" : "M5 7V5a3 3 0 0 1 5.8-1"} />
          <rect x="3" y="7" width="10" height="7" rx="1.6" />
        </svg>
      </button>
    </span>
  );
}

export function TakeOver({ portal: { locks, presence } }: { portal: Portal }) {
  const lock = locks.taking.value;
  if (!lock) return null;
  const holder = presence.nameOf(lock.user_id);
  return (
    <Dialog key={lock.field} id="takeover" title={`Take over “${fieldLabel(lock.field)}”?`} onClose={locks.leave}>
      <p class="lead"><strong>{holder}</strong> has had this field alone since {clock(lock.since)}. They will be told that you took it, and the activity says so.</p>
      <div class="actions">
        <button class="primary" data-testid="takeover-confirm" onClick={() => void locks.takeOver(lock)}>Take it over</button>
        <button data-testid="takeover-leave" onClick={locks.leave}>Leave it to {holder}</button>
      </div>
    </Dialog>
  );
}
