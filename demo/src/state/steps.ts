// The workflow: the status of each step of the record, and the step at which this person is.

import { signal } from "@preact/signals";
import type { StepState, StepStatus } from "../contract";
import { newOp } from "../ids";
import { stepName } from "../screening";
import type { Call } from "../socket";
import type { Say } from "./toasts";

type Known = Pick<StepState, "step" | "status" | "version">;

export function createSteps(patient: () => string, call: Call, say: Say) {
  const states = signal<ReadonlyMap<number, Known>>(new Map());
  const mine = signal(0);

  function replace(steps: readonly Known[]): void {
    states.value = new Map(steps.map((state) => [state.step, state]));
  }

  function put(incoming: Known): void {
    const known = states.value.get(incoming.step);
    if (known && known.version >= incoming.version) return;
    states.value = new Map(states.value).set(incoming.step, incoming);
  }

  async function moveTo(step: number): Promise<void> {
    const before = mine.value;
    mine.value = step;
    const request = { patient_id: patient(), step, step_name: stepName(step), op: newOp() };
    const answer = await call("step_change", request);
    if (answer.status === "ok") return;
    if (mine.value === step) mine.value = before;
    say("warning", "The step was not changed", answer.message);
  }

  async function setStatus(step: number, status: StepStatus): Promise<void> {
    const request = { patient_id: patient(), step, step_name: stepName(step), status, op: newOp() };
    const answer = await call("step_update", request);
    if (answer.status === "ok") put({ step, status: answer.step_status, version: answer.version });
    else say("warning", "The status was not changed", answer.message);
  }

  return { states, mine, replace, put, moveTo, setStatus };
}

export type Steps = ReturnType<typeof createSteps>;
