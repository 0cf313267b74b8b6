// The workflow: where the record stands, who is at which step, and where this person is.

import type { StepStatus } from "../contract";
import type { Portal } from "../portal";
import { stepName, STEPS } from "../screening";
import { Avatar } from "./avatar";
import { Panel } from "./panel";

const STATUS: Record<StepStatus, string> = {
  waiting: "Waiting",
  in_progress: "In progress",
  completed: "Completed",
  blocked: "Blocked",
};

export function StepsPanel({ portal }: { portal: Portal }) {
  const { steps, record } = portal;
  const mine = steps.mine.value;
  const status = statusOf(portal, mine);
  return (
    <Panel id="steps" title="Workflow" away={!record.available.value} aside={
      <label class="step-status">
        {stepName(mine)}
        <select data-testid="step-status" value={status} onChange={(e) => void steps.setStatus(mine, e.currentTarget.value as StepStatus)}>
          {Object.entries(STATUS).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
        </select>
      </label>
    }>
      <ol class="stepper">
        {STEPS.map((_, step) => <Step key={step} portal={portal} step={step} />)}
      </ol>
    </Panel>
  );
}

function Step({ portal, step }: { portal: Portal; step: number }) {
  const { steps, presence } = portal;
  const status = statusOf(portal, step);
  const here = presence.users.value.filter((user) => user.step === step);
  return (
    <li>
      <button
        class={`step ${status}`}
        data-testid={`step-${step}`}
        data-status={status}
        aria-current={steps.mine.value === step ? "step" : undefined}
        onClick={() => void steps.moveTo(step)}
      >
        <span class="step-mark" aria-hidden="true">{status === "completed" ? "✓" : status === "blocked" ? "!" : step + 1}</span>
        <span class="step-text"><strong>{STEPS[step]}</strong><small>{STATUS[status]}</small></span>
        <span class="step-people">{here.map((user) => <Avatar key={user.user_id} userId={user.user_id} name={user.name} small />)}</span>
      </button>
    </li>
  );
}

const statusOf = (portal: Portal, step: number): StepStatus => portal.steps.states.value.get(step)?.status ?? "waiting";
