// The screening form.

import type { Portal } from "../portal";
import { FIELDS } from "../screening";
import { Field } from "./field";
import { Panel } from "./panel";
import { OfflineReport } from "./report";

export function Form({ portal }: { portal: Portal }) {
  const { record } = portal;
  const waiting = record.waiting.value;
  return (
    <Panel id="form" title="Vision screening" away={!record.available.value} aside={
      <label class="switch">
        <input type="checkbox" data-testid="live-toggle" checked={record.live.value}
          onChange={(e) => (record.live.value = e.currentTarget.checked)} />
        Share as I type
      </label>
    }>
      <OfflineReport portal={portal} />
      <fieldset class="fields" disabled={!record.loaded.value || portal.closed.value !== null}>
        {FIELDS.map((spec) => <Field key={spec.name} portal={portal} spec={spec} />)}
      </fieldset>
      <footer class="form-foot">
        <span role="status" data-testid="form-status">{summary(portal, waiting)}</span>
        <button class="primary" data-testid="save-all" disabled={!waiting} onClick={record.saveAll}>Save all</button>
      </footer>
    </Panel>
  );
}

function summary({ record, link }: Portal, waiting: number): string {
  if (!record.loaded.value) return "Opening the record…";
  if (!waiting) return "Everything is saved.";
  const undecided = record.conflicts.value.size;
  if (undecided) return `${undecided === 1 ? "1 change needs" : `${undecided} changes need`} your decision.`;
  const changes = waiting === 1 ? "1 change is" : `${waiting} changes are`;
  return link.status.value === "connected" ? `${changes} not saved yet.` : `${changes} kept here until the connection is back.`;
}
