// The connection: the stock Socket.IO client, its state as a signal, and calls that always answer.

import { signal, type ReadonlySignal } from "@preact/signals";
import { io } from "socket.io-client";
import type { Answer, Calls, Events, Failure, SessionEnded } from "./contract";
import type { Person } from "./identity";

const ANSWER_WITHIN_MS = 5000;
const TRY_AGAIN_MS = 3000;

export type Status = "connecting" | "connected" | "reconnecting" | "ended";
export type Call = <E extends keyof Calls>(event: E, request: Calls[E][0]) => Promise<Answer<Calls[E][1]>>;

export interface Link {
  status: ReadonlySignal<Status>;
  /** Why the server does not let us in, if it does not. It is tried again. */
  refusal: ReadonlySignal<string | null>;
  /** Somebody has ended this session: nothing is tried again before `comeBack`. */
  ended: ReadonlySignal<SessionEnded | null>;
  comeBack(): void;
  /** Never throws: no connection and no answer in time are failures that may be tried again. */
  call: Call;
  on<E extends keyof Events>(event: E, handler: (body: Events[E]) => void): void;
  onConnect(handler: () => void): void;
}

export function connect(me: Person): Link {
  const status = signal<Status>("connecting");
  const refusal = signal<string | null>(null);
  const ended = signal<SessionEnded | null>(null);
  const socket = io({ query: { user_id: me.user_id, user_name: me.name, user_role: me.role } });

  socket.on("connect", () => {
    status.value = "connected";
    refusal.value = null;
  });
  socket.on("session_ended", (end: SessionEnded) => {
    ended.value = end;
    socket.disconnect();
  });
  socket.on("disconnect", (_, details) => {
    if (status.peek() !== "connected") refusal.value = said(details);
    status.value = ended.value ? "ended" : "reconnecting";
    reviveIfDropped();
  });
  socket.on("connect_error", (error) => {
    // `active` means that the client itself goes on trying; otherwise the server has said no.
    refusal.value = socket.active ? said(error) : error.message;
    reviveIfDropped();
  });

  function reviveIfDropped(): void {
    if (!socket.active && !ended.value) setTimeout(() => socket.connect(), TRY_AGAIN_MS);
  }

  function comeBack(): void {
    ended.value = null;
    status.value = "reconnecting";
    socket.connect();
  }

  const call: Call = async (event, request) => {
    if (!socket.connected) return failure("unavailable", "There is no connection at the moment.");
    try {
      return await socket.timeout(ANSWER_WITHIN_MS).emitWithAck(event, request);
    } catch {
      return failure("outcome_unknown", "No answer came in time.");
    }
  };

  return {
    status,
    refusal,
    ended,
    comeBack,
    call,
    on: (event, handler) => void socket.on(event as string, handler),
    onConnect: (handler) => void socket.on("connect", handler),
  };
}

/** What the server said when it ended a connection, or did not let one begin: in the close, or in its answer. */
function said(details: unknown): string | null {
  const { reason, responseText } = (details as { context?: { reason?: string; responseText?: string } })?.context ?? {};
  if (reason) return reason.replace(/^(limit_exceeded|unavailable): /, "");
  try {
    return JSON.parse(responseText ?? "").message?.replace(/^(limit_exceeded|unavailable): /, "") ?? null;
  } catch {
    return null; // a network that is gone says nothing
  }
}

function failure(code: Failure["code"], message: string): Failure {
  return { status: "error", code, message, retry: true, op: null };
}
