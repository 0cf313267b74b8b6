// After a cut: what became of each change that was made meanwhile.

import type { Portal } from "../portal";
import { fieldLabel } from "../screening";
import type { Reported } from "../state/report";
import { shownValue } from "./format";

const BECAME: Record<Reported["became"], string> = {
  saved: "saved",
  overwrote: "saved over another’s",
  merged: "put together with another’s",
  conflict: "decided",
  invalid: "not accepted",
};

export function OfflineReport({ portal }: { portal: Portal }) {
  const { report } = portal.record;
  const rows = report.rows.value;
  if (!rows.length) return null;
  return (
    <section class="report" aria-label="What became of your changes" data-testid="report">
      <header>
        <h3>You were offline. What became of your changes:</h3>
        <button class="quiet-button" aria-label="Close the report" data-testid="report-close" onClick={report.clear}>✕</button>
      </header>
      <ul>{rows.map((row) => <Row key={row.key} portal={portal} row={row} />)}</ul>
    </section>
  );
}

function Row({ portal, row }: { portal: Portal; row: Reported }) {
  const { record, history } = portal;
  const open = row.became === "conflict" && record.conflicts.value.has(row.field);
  const wrong = row.became === "invalid" && record.problem(row.field) !== undefined;
  const became = open ? "conflict" : wrong ? "invalid" : row.became;
  return (
    <li data-testid="report-row" data-field={row.field} data-became={became}>
      <span class="what"><strong>{fieldLabel(row.field)}</strong> “{shownValue(row.value)}”</span>
      {open
        ? <button data-testid="report-choose" onClick={() => record.ask(row.field)}>Two values: choose</button>
        : <span class={`chip became-${row.became}`}>{row.became === "invalid" && !wrong ? "corrected" : BECAME[row.became]}</span>}
      <button class="link" onClick={() => history.show(row.field)} aria-label={`History of ${fieldLabel(row.field)}`}>History</button>
    </li>
  );
}
