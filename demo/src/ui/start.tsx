// The first page: who are you, and which patient?

import { useState } from "preact/hooks";
import { Avatar } from "./avatar";
import { PATIENTS, placeQuery, ROLES, STAFF } from "../identity";
import { newOp } from "../ids";

const CUSTOM = "custom";

export function Start() {
  const [who, setWho] = useState(STAFF[0]!.user_id);
  const [name, setName] = useState("");
  const [role, setRole] = useState<string>(ROLES[0]);
  const [chosen, setChosen] = useState(PATIENTS[0]!.id);
  const [patientId, setPatientId] = useState("");
  const patient = chosen === CUSTOM ? patientId.trim() : chosen;
  const custom = { user_id: `u-${newOp().slice(-6)}`, name: name.trim(), role };
  const me = who === CUSTOM ? custom : STAFF.find((person) => person.user_id === who)!;
  const ready = Boolean(me.name && patient);

  function open(event: Event) {
    event.preventDefault();
    if (ready) location.search = placeQuery({ me, patient });
  }

  return (
    <main class="start">
      <header class="start-head">
        <Logo />
        <h1>Vision screening, together</h1>
        <p>Open the same patient in two windows, as two colleagues, and watch them work as one.</p>
      </header>
      <form class="panel start-form" onSubmit={open}>
        <fieldset>
          <legend>Who are you?</legend>
          <div class="choices">
            {STAFF.map((person) => (
              <Choice key={person.user_id} group="who" value={person.user_id} current={who} pick={setWho}>
                <Avatar userId={person.user_id} name={person.name} />
                <span><strong>{person.name}</strong><small>{person.role}</small></span>
              </Choice>
            ))}
            <Choice group="who" value={CUSTOM} current={who} pick={setWho}>
              <span class="avatar plus" aria-hidden="true">+</span>
              <span><strong>Somebody else</strong><small>name and role of your own</small></span>
            </Choice>
          </div>
          {who === CUSTOM && (
            <div class="custom">
              <label>Name<input data-testid="custom-name" value={name} maxLength={80} required onInput={(e) => setName(e.currentTarget.value)} /></label>
              <label>Role
                <select data-testid="custom-role" value={role} onChange={(e) => setRole(e.currentTarget.value)}>
                  {ROLES.map((option) => <option key={option}>{option}</option>)}
                </select>
              </label>
            </div>
          )}
        </fieldset>
        <fieldset>
          <legend>Which patient?</legend>
          <div class="choices">
            {PATIENTS.map(({ id, name: full, note }) => (
              <Choice key={id} group="patient" value={id} current={chosen} pick={setChosen}>
                <span class="tag">{id}</span>
                <span><strong>{full}</strong><small>{note}</small></span>
              </Choice>
            ))}
            <Choice group="patient" value={CUSTOM} current={chosen} pick={setChosen}>
              <span class="tag">P-…</span>
              <span><strong>Another patient</strong><small>any identifier</small></span>
            </Choice>
          </div>
          {chosen === CUSTOM && (
            <div class="custom">
              <label>Patient identifier<input data-testid="custom-patient" value={patientId} maxLength={40} required onInput={(e) => setPatientId(e.currentTarget.value)} /></label>
            </div>
          )}
        </fieldset>
        <div class="start-foot">
          <p>A demonstration with invented people. Please enter no real patient data.</p>
          <button class="primary large" data-testid="open" disabled={!ready}>Open the record</button>
        </div>
      </form>
    </main>
  );
}

interface ChoiceProps {
  group: string;
  value: string;
  current: string;
  pick(value: string): void;
  children: preact.ComponentChildren;
}

function Choice({ group, value, current, pick, children }: ChoiceProps) {
  return (
    <label class="choice" data-testid={`${group}-${value}`}>
      <input type="radio" name={group} value={value} checked={current === value} onChange={() => pick(value)} />
      {children}
    </label>
  );
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" />
      <path d="M5 16c5-8 17-8 22 0-5 8-17 8-22 0z" />
      <circle cx="16" cy="16" r="3.6" />
    </svg>
  );
}
