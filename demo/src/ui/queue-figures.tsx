// How the queue goes: one line, and behind it the stations; and the way to the public board.

import type { FiguresSince } from "../contract";
import type { Portal } from "../portal";
import { minutes, waitText } from "./format";

export function QueueFiguresLine({ portal }: { portal: Portal }) {
  const figures = portal.queue.figures.shown.value;
  if (!figures) return null;
  const { waiting, longest_wait_s, estimated_wait, today, hour } = figures;
  const facts = [
    `${waiting} waiting`,
    longest_wait_s !== null && `longest ${minutes(longest_wait_s)}`,
    estimated_wait
      ? `wait about ${waitText(estimated_wait)}, from the last ${estimated_wait.services} at ${estimated_wait.stations} station${estimated_wait.stations > 1 ? "s" : ""}`
      : "wait not known yet",
    `${today.served} served today`,
  ].filter(Boolean);
  return (
    <details class="figures" data-testid="queue-figures">
      <summary>{facts.join(" · ")}</summary>
      <Since title="Last hour" figures={hour} />
      <Since title="Today" figures={today} />
    </details>
  );
}

function Since({ title, figures }: { title: string; figures: FiguresSince }) {
  const rows = [{ ...figures, station: "all" }, ...figures.stations];
  return (
    <table>
      <thead><tr><th>{title}</th><th>Served</th><th>Did not come</th><th>Wait</th><th>Service</th></tr></thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.station} data-testid="station-figures">
            <td>{row.station ?? "no station"}</td>
            <td>{row.served}</td>
            <td>{row.no_shows}</td>
            <td>{row.average_wait_s === null ? "–" : minutes(row.average_wait_s)}</td>
            <td>{row.average_service_s === null ? "–" : minutes(row.average_service_s)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
