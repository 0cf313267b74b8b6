// What the portal sends and gets: the part of Confer's contract (docs/confer.d.ts) that this page uses; a test
// compares the two.

export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

export interface Failure {
  status: "error";
  code: string;
  message: string;
  retry: boolean;
  op?: string | null;
  field?: string;
  /** Of a field update: which changes stood in its way. */
  refused?: RefusedChange[];
  [detail: string]: unknown;
}
export type Answer<Reply> = (Reply & { status: "ok" }) | Failure;
/** A part of a join's answer; its service may be away, or this person may not see it. */
export type Part<Body> = (Body & { status?: "ok" }) | { status: "unavailable" | "forbidden" };

// --- presence ---
export interface ActiveUser {
  user_id: string;
  name: string;
  role: string;
  step: number | null;
  status: "active" | "away";
  focus: string | null;
  /** The fields that they edit, over all their tabs. */
  editing: string[];
  last_activity: string;
  joined_at: string;
}
export interface PresenceSummary {
  count: number;
  active: number;
  away: number;
  /** The roster shows the first people alone. */
  truncated: boolean;
  /** Presence has not heard of some of the connections since then: people may have come or gone. */
  stale: boolean;
  since: string | null;
}
/** The exclusive lock of a field; `token` grows with each holder. */
export interface FieldLock {
  field: string;
  user_id: string;
  token: number;
  since: string;
  expires_at: string;
}
export type FieldLocked = FieldLock & { taken_from: string | null };
export interface FieldUnlocked {
  field: string;
  user_id: string;
  token: number;
  reason: "released" | "expired" | "holder_left";
}
/** `tabs`: how many windows they have here; 0: the last is gone, and may come back. */
export type PersonHere = ActiveUser & { tabs: number; devices: string[] };
/** A page of a room's people, and what the whole room is like. */
export interface People {
  users: ActiveUser[];
  locks: FieldLock[];
  total: number;
  away: number;
  stale: boolean;
  since: string | null;
}

// --- fields and steps ---
export interface Change {
  field: string;
  value: Json;
  base_version: number;
}
/** What became of a stale base. */
export type Outcome = "accepted" | "overwrote" | "merged";
/** The version that a writer wrote over without having seen it. `omitted`: too large to be told here. */
export type Replaced = RecordField & { omitted?: boolean };
export interface CommittedChange {
  field: string;
  version: number;
  value: Json;
  outcome: Outcome;
  replaced?: Replaced;
  /** The version that it repeats. */
  restored?: number;
}
export interface RefusedChange {
  field: string;
  code: "conflict" | "invalid";
  message: string;
  current: RecordField | null;
}
export interface UpdateReply {
  changes: CommittedChange[];
  version: number | null;
  refused?: RefusedChange[];
}
interface Commit {
  patient_id: string;
  user_id: string;
  op: string;
  timestamp: string;
}
export type FieldUpdated = Commit & CommittedChange;
export type FieldsUpdated = Commit & { changes: CommittedChange[] };
export interface RecordField {
  value: Json;
  version: number;
  user_id: string;
  timestamp: string;
}
/** At this character (code point) of the old text, `removed` became `added`. */
export interface TextEdit {
  at: number;
  removed: string;
  added: string;
}
export interface HistoryRow {
  field: string;
  version: number;
  value: Json;
  outcome: Outcome;
  user_id: string;
  op: string;
  timestamp: string;
  restored: number | null;
  previous: RecordField | null;
  diff: TextEdit[] | null;
}
export type StepStatus = "waiting" | "in_progress" | "completed" | "blocked";
export interface StepState {
  step: number;
  step_name: string;
  status: StepStatus;
  version: number;
  /** Minutes that a completed step took. */
  actual_duration: number | null;
}
export type StepUpdated = Commit & { step: number; step_name: string | null; status: StepStatus; version: number };
export interface StepChanged {
  user_id: string;
  step: number;
  step_name: string;
}
export type ActivityKind = "field" | "step" | "presence" | "queue" | "notification" | "read" | "refusal";
/** `name` (a field, `step`, `status`) went from `old` to `new`. */
export interface ActivityChange {
  name: string;
  old: Json;
  new: Json;
  unknown?: boolean;
  omitted?: boolean;
}
export interface ActivityRow {
  sequence: number;
  timestamp: string;
  service: string;
  event: string;
  user_id: string;
  trace_id: string | null;
  detail: Json;
  kind: ActivityKind;
  outcome: string;
  changes: ActivityChange[];
}
export interface ActivityQuery {
  patient_id: string;
  limit: number;
  user?: string;
  kinds?: ActivityKind[];
  since?: string;
  before?: number;
}

// --- queue ---
export type Priority = "high" | "normal" | "low";
export type TicketStatus = "waiting" | "called" | "serving" | "held" | "done" | "no_show" | "cancelled" | "transferred";
export interface QueueRow {
  patient_id: string;
  queue_position: number;
  current_step: number | null;
  priority: Priority;
  staff_working: string[];
  status: TicketStatus;
  ticket: string;
  /** What displays show for it. */
  number: string | null;
  /** By when it is likely to be done, as far as that is known. */
  estimated_completion: string | null;
  created_at: string;
}
export interface Ticket {
  ticket: string;
  patient_id: string;
  priority: Priority;
  status: TicketStatus;
  called_by: string | null;
}
export type TicketFact = Ticket & { user_id: string; reason: string | null; to_queue?: string };
export interface TicketReply {
  ticket: Ticket | null;
  queue_position: number | null;
  token: string | null;
  claimed_until: string | null;
}
interface OnTicket {
  queue: string;
  ticket: string;
  op: string;
}
type Claimed = OnTicket & { token: string };
/** What happened to a ticket, and the status after it. */
export interface TicketEvent {
  sequence: number;
  change: string;
  status: TicketStatus;
  user_id: string;
  timestamp: string;
  station: string | null;
  reason: string | null;
  from_queue: string | null;
  to_queue: string | null;
  note?: string;
  assigned?: { user_id: string }[];
}
/** A ticket, the queues that it was in before, and its past in this one. `ticket`: null where it is over. */
export interface TicketPast {
  ticket: (Ticket & { number: string | null; assigned?: { user_id: string }[] }) | null;
  visits: { queue: string; since: string; until: string }[];
  history: TicketEvent[];
}

/** Until the call, in seconds: what the last services at the stations at work tell. */
export interface EstimatedWait {
  from_s: number;
  to_s: number;
  services: number;
  stations: number;
}
interface Figures {
  called: number;
  served: number;
  no_shows: number;
  cancelled: number;
  average_wait_s: number | null;
  average_service_s: number | null;
}
export type StationFigures = Figures & { station: string | null };
export type FiguresSince = Figures & { since: string; stations: StationFigures[] };
/** How a queue goes: now, today, in the last hour. */
export interface QueueFigures {
  waiting: number;
  longest_wait_s: number | null;
  estimated_wait: EstimatedWait | null;
  today: FiguresSince;
  hour: FiguresSince;
}
/** What a public display shows of a queue: numbers and stations, never who they are. */
export interface Board {
  queue: string;
  called: BoardTicket[];
  next: string[];
  waiting: number;
  estimated_wait: EstimatedWait | null;
}
export interface BoardTicket {
  number: string;
  station: string | null;
  serving: boolean;
  called_at: string;
}

// --- notifications ---
export interface Notification {
  id: string;
  type: "info" | "success" | "warning" | "error" | "message";
  priority: "low" | "normal" | "high" | "critical";
  title: string;
  message: string;
  timestamp: string;
  read: boolean;
  from_user: string | null;
  /** An http or https address, or a path of the portal. */
  link?: string | null;
  /** To whom it was said, as people know it: `role.nurse`. */
  audience?: string;
  /** It replaces those before it of the same group and audience. */
  group?: string;
  /** Only in the inbox. */
  state?: "unseen" | "seen" | "read" | "archived";
  muted?: boolean;
  acknowledge?: Acknowledgement;
}
/** Somebody must acknowledge a note: `id` is what they name, also of a copy that escalates it. */
export interface Acknowledgement {
  id: string;
  state: "open" | "acknowledged" | "cancelled" | "superseded" | "expired" | "given_up";
  by: string | null;
  at: string | null;
}
export interface Reminder {
  acknowledge: Acknowledgement;
  number: number;
  type: string;
  title: string;
  message: string;
  from_user: string;
  timestamp: string;
}
export interface Closed {
  acknowledge: Acknowledgement;
}
export type NotificationType = Notification["type"];
export type InboxState = "unread" | "archived" | "all";
/** `quiet_until`: what comes before then is not to be shown by itself, unless it is critical. */
export interface NotificationCounts {
  unread: number;
  unseen?: number | null;
  quiet_until?: string | null;
}
export interface Preferences {
  mute: NotificationType[];
  digest: { types: NotificationType[]; every_s: number } | null;
  quiet: { start: string; end: string; zone: string } | null;
}
export interface Followed {
  kind: "topic" | "staff";
  id: string;
}
export interface NewMessage {
  id: string;
  from_user: string;
  from_role: string;
  message: string;
  timestamp: string;
}
export type Addressee = { user: string } | { role: string } | { patient: string } | { staff: string } | { all: true };
/** Also of what was seen. `unread` and `unseen`: what is left. */
export interface NotificationRead {
  ids: string[];
  up_to: string | null;
  unread: number;
  unseen?: number;
}
export type NotificationArchived = NotificationRead & { undone: boolean };
type Marking = ({ ids: string[] } | { all: true }) & { op: string };

// --- joins ---
export interface Snapshot {
  room: string;
  presence: Part<People>;
  sync: Part<{ fields: Record<string, RecordField>; steps: StepState[] }>;
}
export type JoinReply = Snapshot & { patient_id: string; offset: string };

/** `message` is for the person. After a kick a new session may begin. */
export interface SessionEnded {
  reason: "revoked" | "kicked";
  message: string;
}

type Nothing = Record<never, never>;

/** Client events that are acknowledged: [request, reply]. */
export interface Calls {
  join_patient_room: [{ patient_id: string; step?: number }, JoinReply];
  leave_patient_room: [{ patient_id: string }, Nothing];
  queue_open: [{ queue: string }, { rows: QueueRow[] }];
  user_heartbeat: [{ step: number; last_activity: string; device: string }, Nothing];
  presence_get: [{ patient_id: string; limit: number; after?: string }, { users: PersonHere[]; next: string | null }];
  field_focus: [{ patient_id: string; field: string | null; op: string }, Nothing];
  field_lock: [{ patient_id: string; field: string; op: string }, { lock: FieldLock }];
  field_unlock: [{ patient_id: string; field: string; op: string }, Nothing];
  field_lock_takeover: [{ patient_id: string; field: string; token: number; op: string }, { lock: FieldLock }];
  field_update: [
    { patient_id: string; op: string; partial: boolean } & (Change | { changes: Change[] }),
    UpdateReply,
  ];
  field_history: [
    { patient_id: string; field: string; limit: number; before?: number },
    { rows: HistoryRow[]; before: number | null },
  ];
  field_restore: [
    { patient_id: string; field: string; version: number; base_version: number; op: string },
    UpdateReply,
  ];
  step_change: [{ patient_id: string; step: number; step_name: string; op: string }, Nothing];
  step_update: [
    { patient_id: string; step: number; step_name: string; status: StepStatus; op: string },
    { step: number; step_status: StepStatus; version: number },
  ];
  activity_log: [ActivityQuery, { rows: ActivityRow[]; more: boolean; before: number | null }];
  queue_enqueue: [{ queue: string; patient_id: string; priority: Priority; op: string }, TicketReply];
  queue_call_next: [{ queue: string; station?: string; op: string }, TicketReply];
  queue_serve: [Claimed, TicketReply];
  queue_done: [Claimed, TicketReply];
  queue_requeue: [Claimed, TicketReply];
  queue_no_show: [Claimed, TicketReply];
  queue_recall: [Claimed, TicketReply];
  queue_hold: [OnTicket & { token?: string }, TicketReply];
  queue_resume: [OnTicket, TicketReply];
  queue_cancel: [OnTicket, TicketReply];
  queue_priority: [OnTicket & { priority: Priority }, TicketReply];
  queue_move: [OnTicket & { position: number; reason: string }, TicketReply];
  queue_transfer: [OnTicket & { to: string; token?: string }, TicketReply];
  queue_ticket: [{ queue: string; ticket: string; patient_id: string; limit: number }, TicketPast];
  queue_note: [OnTicket & { text: string }, TicketReply];
  queue_assign: [OnTicket & { user_id: string }, TicketReply];
  queue_unassign: [OnTicket & { user_id: string }, TicketReply];
  queue_statistics: [{ queue: string }, QueueFigures];
  notification_send: [
    { to: Addressee; title: string; message: string; type: "info" | "warning"; must_acknowledge?: { repeat_s: number; repeats: number }; op: string },
    { id: string },
  ];
  notification_acknowledge: [{ id: string; op: string }, { acknowledge: Acknowledgement }];
  notification_seen: [Marking, Nothing];
  notification_read: [Marking, Nothing];
  notification_archive: [Marking & { undo?: boolean }, Nothing];
  notification_inbox: [
    { limit: number; state?: InboxState; types?: NotificationType[] },
    NotificationCounts & { notifications: Notification[]; follows: Followed[] },
  ];
  notification_preferences: [{ preferences?: Preferences; op?: string }, { preferences: Preferences }];
  topic_follow: [{ staff: string; op: string }, { follows: Followed[] }];
  topic_unfollow: [{ staff: string; op: string }, { follows: Followed[] }];
  send_message: [{ target_user: string; message: string; op: string }, { id: string }];
}

/** Server events. */
export interface Events {
  user_joined: ActiveUser;
  user_updated: ActiveUser;
  user_left: string;
  active_users_updated: ActiveUser[];
  presence_summary: PresenceSummary;
  field_locked: FieldLocked;
  field_unlocked: FieldUnlocked;
  field_updated: FieldUpdated;
  fields_updated: FieldsUpdated;
  field_conflict: FieldUpdated | FieldsUpdated;
  step_updated: StepUpdated;
  step_changed: StepChanged;
  step_status_updated: StepState[];
  queue_updated: QueueRow[];
  ticket_called: TicketFact;
  ticket_serving: TicketFact;
  ticket_resumed: TicketFact;
  ticket_cancelled: TicketFact;
  ticket_noted: TicketFact;
  ticket_assigned: TicketFact;
  ticket_unassigned: TicketFact;
  ticket_done: TicketFact;
  ticket_held: TicketFact;
  ticket_transferred: TicketFact;
  ticket_returned: TicketFact;
  ticket_no_show: TicketFact;
  patient_ticket_queued: TicketFact;
  patient_ticket_called: TicketFact;
  patient_ticket_serving: TicketFact;
  patient_ticket_done: TicketFact;
  patient_ticket_returned: TicketFact;
  patient_ticket_no_show: TicketFact;
  patient_ticket_cancelled: TicketFact;
  patient_ticket_held: TicketFact;
  patient_ticket_resumed: TicketFact;
  patient_ticket_recalled: TicketFact;
  patient_ticket_moved: TicketFact;
  patient_ticket_priority_changed: TicketFact;
  patient_ticket_transferred: TicketFact;
  notification: Notification;
  notification_counts: NotificationCounts;
  notification_seen: NotificationRead;
  notification_read: NotificationRead;
  notification_reminder: Reminder;
  notification_closed: Closed;
  notification_archive: NotificationArchived;
  notification_preferences: { preferences: Preferences };
  topic_followed: Followed;
  topic_unfollowed: Followed;
  new_message: NewMessage;
  message_error: { error: string; target_user: string };
  error: Failure;
  session_ended: SessionEnded;
  room_left: { room: string; message: string };
  resync: { room: string; snapshot: Partial<Snapshot> & { queue?: Part<{ rows: QueueRow[] }> } };
}
