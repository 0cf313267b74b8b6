// The note that somebody must acknowledge: it stays until somebody does.

import type { Portal } from "../portal";
import { Dialog } from "./dialog";
import { clock } from "./format";

export function DemandDialog({ portal: { demands, presence } }: { portal: Portal }) {
  const demand = demands.next.value;
  if (!demand) return null;
  const reminded = demand.reminders ? ` · reminder ${demand.reminders}` : "";
  return (
    <Dialog key={demand.id} id="demand" title={demand.title}>
      {demand.message && <p class="lead">{demand.message}</p>}
      <p><small>{demand.from && `${presence.nameOf(demand.from)} · `}{clock(demand.timestamp)}{reminded}</small></p>
      <div class="actions">
        <button class="primary" data-testid="demand-acknowledge" onClick={() => void demands.acknowledge(demand)}>Acknowledge</button>
      </div>
    </Dialog>
  );
}
