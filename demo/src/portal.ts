// The portal of one person: the connection, the state, and which event changes what.

import { signal } from "@preact/signals";
import type { Answer, Calls, Events, QueueRow, Snapshot } from "./contract";
import { newOp } from "./ids";
import type { Place } from "./identity";
import { fieldLabel } from "./screening";
import { connect } from "./socket";
import { createActivity } from "./state/activity";
import { createDemands } from "./state/demands";
import { createHistory } from "./state/history";
import { createInbox } from "./state/inbox";
import { createTell } from "./state/tell";
import { createWishes } from "./state/wishes";
import { createOverwritten } from "./state/overwritten";
import { createLocks } from "./state/locks";
import { createPeople, device } from "./state/people";
import { createPresence } from "./state/presence";
import { createQueue, QUEUE } from "./state/queue";
import { createRecord } from "./state/record";
import { createSteps } from "./state/steps";
import { createTicket } from "./state/ticket";
import { say, withdrawOffers } from "./state/toasts";

const ASK_AGAIN_MS = 3000;
const HEARTBEAT_MS = 25_000;
const BACK_MS = 1000; // the same for who is shown as away
const TICKET_CHANGES = [
  "queued", "called", "recalled", "serving", "done", "returned", "no_show", "held", "resumed", "moved", "priority_changed",
  "transferred", "cancelled",
] as const;
/** What a dialog about a ticket shows at once. */
const SHOWN_OF_A_TICKET = [
  "called", "serving", "done", "returned", "no_show", "held", "resumed", "transferred", "cancelled", "noted", "assigned",
  "unassigned",
] as const;
/** Calls that are repeated anyway until they are answered. */
const ASKING: ReadonlySet<keyof Calls> = new Set(["join_patient_room", "queue_open", "notification_inbox"]);

export function createPortal(place: Place) {
  const { me } = place;
  const patient = signal(place.patient);
  const current = () => patient.peek();
  const link = connect(me);
  const presence = createPresence(me);
  const locks = createLocks(me.user_id, current, call, presence.nameOf, say);
  const people = createPeople(current, call, say);
  const steps = createSteps(current, call, say);
  const record = createRecord(me.user_id, current, call, sayMerged);
  const history = createHistory(current, call, say, record.accept, me.user_id);
  const overwritten = createOverwritten(me.user_id, presence.nameOf, say, history.restore);
  const queue = createQueue(call, say);
  const ticket = createTicket(call, say);
  const activity = createActivity(current, call);
  const wishes = createWishes(call, say);
  const inbox = createInbox(call, presence.nameOf, say, wishes);
  const tell = createTell(call, say);
  const demands = createDemands(me.user_id, call, presence.nameOf, say);
  inbox.items.subscribe(demands.seen);
  const closed = signal<string | null>(null); // why this person may not be in the record any more

  function sayMerged(field: string, by?: string): void {
    const who = by ? presence.nameOf(by) : "somebody else";
    const offer = { label: "See both", run: () => history.show(field) };
    say("info", `${fieldLabel(field)}: put together`, `${who} changed it at the same time. Both changes are in.`, offer);
  }

  /** A service that is away is asked for what it shows, and again until it answers: its panel says so meanwhile. */
  async function call<E extends keyof Calls>(event: E, request: Calls[E][0]): Promise<Answer<Calls[E][1]>> {
    const answer = await link.call(event, request);
    const away = answer.status === "error" && answer.code === "unavailable" && link.status.peek() === "connected";
    if (away && !ASKING.has(event)) {
      if (event.startsWith("queue_")) askForQueue();
      else if (event.startsWith("notification_") || event === "send_message") void inbox.load();
      else askForRoom();
    }
    return answer;
  }

  // --- joining: at each connect, and again while a part of the answer was missing ---

  let room: string | null = null;
  let joining = 0; // counts up: an answer to an older join is not used
  let answered = 0;
  let held: (() => void)[] = []; // facts that came before the answer: they are applied on top of it
  let again: ReturnType<typeof setTimeout> | undefined;
  let focus: string | null = null;

  function openAll(): void {
    void join();
    void openQueue();
    void inbox.load();
    void wishes.load();
  }

  async function join(): Promise<void> {
    const mine = ++joining;
    clearTimeout(again);
    again = undefined;
    const answer = await call("join_patient_room", { patient_id: current(), step: steps.mine.peek() });
    if (mine !== joining) return;
    answered = mine;
    if (answer.status === "ok") {
      room = answer.room;
      closed.value = null;
      const whole = applySnapshot(answer);
      if (!whole) again = setTimeout(() => void join(), ASK_AGAIN_MS);
      record.resume();
      if (focus && presence.available.peek()) sendFocus();
    } else if (answer.retry) again = setTimeout(() => void join(), ASK_AGAIN_MS);
    else close(answer.message);
    const facts = held;
    held = [];
    for (const apply of facts) apply();
    activity.soon();
  }

  /** The right to the record has ended, or there was none. What is not saved stays in the window. */
  function close(why: string): void {
    record.suspend();
    record.available.value = presence.available.value = true; // it is not they who are away
    presence.empty();
    locks.replace([]);
    people.close();
    history.close();
    closed.value = why;
  }

  /** Join again, unless that is under way or will be soon. */
  function askForRoom(): void {
    if (again === undefined && answered === joining) void join();
  }

  /** False when a part is away. */
  function applySnapshot(snapshot: Partial<Snapshot>): boolean {
    const users = take(snapshot.presence, presence.available);
    if (users) {
      presence.replaceAll(users);
      locks.replace(users.locks);
    }
    const state = take(snapshot.sync, record.available);
    if (state) {
      record.replace(state.fields);
      steps.replace(state.steps);
    }
    return Boolean(users && state);
  }

  let queueAgain: ReturnType<typeof setTimeout> | undefined;

  async function openQueue(): Promise<void> {
    clearTimeout(queueAgain);
    queueAgain = undefined;
    const answer = await call("queue_open", { queue: QUEUE });
    if (answer.status === "ok") return setRows(answer.rows);
    if (answer.code === "forbidden") return queue.close(answer.message);
    queue.available.value = false;
    if (link.status.peek() === "connected") queueAgain = setTimeout(() => void openQueue(), ASK_AGAIN_MS);
  }

  function askForQueue(): void {
    if (queueAgain === undefined) void openQueue();
  }

  link.onConnect(openAll);
  link.status.subscribe((status) => {
    if (status !== "connected") record.suspend();
  });

  // --- what the server says ---

  /** A fact of the room: held back while a join is under way, and a reason to read the activity again. */
  function fact<E extends keyof Events>(event: E, apply: (body: Events[E]) => void): void {
    link.on(event, (body) => {
      if (answered === joining) apply(body);
      else held.push(() => apply(body));
      activity.soon();
    });
  }

  fact("user_joined", presence.put);
  fact("user_updated", presence.put);
  fact("user_left", presence.remove);
  fact("active_users_updated", presence.shown);
  fact("presence_summary", (summary) => (presence.whole.value = summary));
  fact("field_locked", locks.locked);
  fact("field_unlocked", locks.unlocked);
  fact("field_updated", (change) => {
    record.fieldUpdated(change);
    history.changed(change.field);
  });
  fact("fields_updated", (commit) => {
    record.fieldsUpdated(commit);
    for (const { field } of commit.changes) history.changed(field);
  });
  fact("field_conflict", overwritten.happened);
  fact("step_updated", steps.put);
  fact("step_changed", ({ user_id, step }) => presence.moved(user_id, step));
  fact("step_status_updated", (states) => states.forEach(steps.put));
  for (const name of TICKET_CHANGES) fact(`patient_ticket_${name}`, () => undefined);
  for (const name of ["done", "returned", "no_show", "held", "transferred"] as const) link.on(`ticket_${name}`, queue.ended);
  for (const name of SHOWN_OF_A_TICKET) link.on(`ticket_${name}`, ticket.changed);
  link.on("queue_updated", (rows) => setRows(rows));
  link.on("notification", (item) => {
    inbox.arrived(item);
    demands.seen([item]); // whatever the inbox shows just now
    activity.soon();
  });
  link.on("new_message", inbox.messageArrived);
  link.on("notification_counts", inbox.counted);
  for (const what of ["seen", "read", "archive"] as const) link.on(`notification_${what}`, inbox.changed);
  link.on("notification_preferences", (fact) => wishes.told(fact.preferences));
  for (const event of ["topic_followed", "topic_unfollowed"] as const) link.on(event, () => void inbox.load());
  link.on("notification_reminder", demands.reminded);
  link.on("notification_closed", demands.closed);
  link.on("error", ({ code, message }) => {
    if (code === "limit_exceeded") say("warning", "That was too much at once", message);
    else say("error", "The server refused something", message);
  });
  link.on("room_left", ({ room: name, message }) => {
    if (name === `screening_${current()}`) close(message);
    else if (name === `queue.${QUEUE}`) queue.close(message);
    else say("warning", `You are no longer in ${name}`, message);
  });
  link.on("resync", ({ room: name, snapshot }) => {
    if (name === room) {
      applySnapshot(snapshot);
      history.changed(history.field.peek() ?? "");
      say("info", "Brought up to date", "This window had missed something. Everything shown is fresh.");
    }
    const rows = snapshot.queue;
    if (rows && "rows" in rows && name === `queue.${QUEUE}`) setRows(rows.rows); // beside a room there are only the first
    void inbox.load();
    activity.soon();
  });

  function setRows(rows: QueueRow[]): void {
    queue.rows.value = rows;
    queue.figures.soon();
    queue.available.value = true;
    queue.closed.value = null;
  }

  // --- what this person does ---

  /** Which field is being edited here, or null. Moving from one field to the next is one message. */
  let focusTimer: ReturnType<typeof setTimeout> | undefined;
  function focusOn(field: string | null): void {
    focus = field;
    clearTimeout(focusTimer);
    focusTimer = setTimeout(sendFocus, 80);
  }

  function sendFocus(): void {
    void call("field_focus", { patient_id: current(), field: focus, op: newOp() });
  }

  async function openPatient(id: string): Promise<boolean> {
    if (id === current()) return true;
    if (record.waiting.peek()) {
      say("warning", "There are unsaved changes", "Save them before you open another patient.");
      return false;
    }
    record.suspend();
    void call("leave_patient_room", { patient_id: current() });
    patient.value = id;
    room = null;
    closed.value = null;
    presence.empty();
    locks.replace([]);
    record.empty();
    history.close();
    withdrawOffers();
    steps.replace([]);
    activity.empty();
    await join();
    return true;
  }

  let beaten = 0; // the first sign of life tells the device
  function stillHere(): void {
    const pause = presence.isAway(me.user_id) ? BACK_MS : HEARTBEAT_MS;
    if (Date.now() - beaten < pause) return;
    beaten = Date.now();
    void call("user_heartbeat", { step: steps.mine.peek(), last_activity: new Date().toISOString(), device: device() });
  }
  for (const sign of ["pointermove", "pointerdown", "keydown", "scroll"]) {
    window.addEventListener(sign, stillHere, { passive: true });
  }
  window.addEventListener("beforeunload", (event) => {
    if (record.waiting.peek()) event.preventDefault();
  });

  return {
    me, patient, link, closed, presence, people, locks, record, history, steps, queue, ticket, activity, inbox, wishes, tell,
    demands, focusOn, openPatient,
    askAgain: () => void join(),
  };
}

/** A part of a snapshot, or null: its service is away, or this person may not see it. */
function take<Part extends { status: string }>(part: Part | undefined, available: { value: boolean }) {
  const known = part?.status === "ok" ? (part as Extract<Part, { status: "ok" }>) : null;
  available.value = known !== null;
  return known;
}

export type Portal = ReturnType<typeof createPortal>;
