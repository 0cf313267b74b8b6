// The contract (confer.d.ts, a copy of docs/confer.d.ts) in the words of this page.

import type * as Confer from "./confer";

export type {
  Acknowledgement, ActiveUser, ActivityChange, ActivityQuery, ActivityRow, Addressee, Board, BoardTicket, Closed,
  CommittedChange, EstimatedWait, FieldLock, FieldLocked, FieldsUpdated, FieldUnlocked, FieldUpdated, Followed, HistoryRow,
  NewMessage, Notification, PersonHere, Preferences, PresenceSummary, QueueFigures, QueueRow, RecordField, RefusedChange,
  Reminder, SessionEnded, StepState, TextEdit, Ticket, TicketEvent, TicketFact, TicketPast,
} from "./confer";
export type { JsonValue as Json } from "./confer";

export type ActivityKind = Confer.ActivityRow["kind"];
export type FiguresSince = Confer.QueueFigures["today"];
/** As the page filters by it. */
export type InboxState = Extract<Confer.InboxQuery["state"], "unread" | "archived" | "all">;
export type NotificationArchived = Confer.NotificationArchiveFact;
export type NotificationRead = Confer.NotificationReadFact;
export type Outcome = Confer.CommittedChange["outcome"];
export type Priority = Confer.QueueRow["priority"];
export type StepStatus = Confer.StepState["status"];
export type UpdateReply = Confer.FieldUpdateReply;

/** This page always says which version it has seen. */
export type Change = Required<Confer.Change> & { base_version: number };

/** A refusal. `refused`, of a field update: which changes stood in its way. */
export type Failure = Confer.Failed & { refused?: Confer.RefusedChange[] };
export type Answer<Reply extends { status: "ok" } = { status: "ok" }> = Reply | Failure;

export type Snapshot = Pick<Confer.RoomJoined, "room" | "presence" | "sync" | "queue">;
export type People = Omit<Confer.PresencePartShown, "status">;

type Payload<E extends keyof Confer.Calls> = Confer.Calls[E][0] extends [infer Given] ? Given : Record<never, never>;
/** Client events that are acknowledged: [request, reply]. */
export type Calls = { [E in keyof Confer.Calls]: [Payload<E>, Confer.Calls[E][1]] };
/** Server events. This page opens no session of hospital_mobile, so it hears of fields of records alone. */
export type Events = Omit<Confer.Events, "field_updated" | "resync"> & {
  field_updated: Confer.FieldUpdated;
  resync: { room: string; snapshot: Partial<Snapshot> };
};
