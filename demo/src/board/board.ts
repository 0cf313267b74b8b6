// What a display knows: the board as it was last told, and which call is new.

import { signal } from "@preact/signals";
import { io } from "socket.io-client";
import type { Board, BoardTicket } from "../contract";

const TRY_AGAIN_MS = 5000;
const NEW_FOR_MS = 12_000;
const MINUTE_MS = 60_000;

export type Link = "connecting" | "connected" | "reconnecting";

export function createBoard(queue: string, token: string | null) {
  const shown = signal<Board | null>(null);
  const link = signal<Link>("connecting");
  const refusal = signal<string | null>(null);
  const fresh = signal<ReadonlySet<string>>(new Set()); // calls that are new, for a moment
  const now = signal(new Date());
  const lostAt = signal<Date | null>(null); // what is shown was true until then
  const socket = io("/board", { auth: token ? { queue, token } : { queue } });

  socket.on("connect", () => {
    link.value = "connected";
    lostAt.value = null;
    refusal.value = null;
  });
  socket.on("disconnect", () => {
    link.value = "reconnecting";
    lostAt.value = new Date();
    revive();
  });
  socket.on("connect_error", (error) => {
    if (!socket.active) refusal.value = error.message; // otherwise the client itself goes on trying
    revive();
  });
  socket.on("queue_board", (board: Board) => {
    const before = shown.peek();
    if (before) announce(board.called.filter((call) => !before.called.some((known) => sameCall(known, call))));
    shown.value = board;
  });

  function revive(): void {
    if (!socket.active) setTimeout(() => socket.connect(), TRY_AGAIN_MS);
  }

  function announce(calls: readonly BoardTicket[]): void {
    if (calls.length === 0) return;
    fresh.value = new Set([...fresh.peek(), ...calls.map(callKey)]);
    setTimeout(() => {
      const left = new Set(fresh.peek());
      for (const call of calls) left.delete(callKey(call));
      fresh.value = left;
    }, NEW_FOR_MS);
  }

  function tick(): void {
    now.value = new Date();
    setTimeout(tick, MINUTE_MS - (Date.now() % MINUTE_MS));
  }
  tick();

  return { queue, shown, link, refusal, fresh, now, lostAt };
}

/** A ticket that is called again is a new call. */
export function callKey({ number, called_at }: BoardTicket): string {
  return `${number} ${called_at}`;
}

function sameCall(one: BoardTicket, other: BoardTicket): boolean {
  return callKey(one) === callKey(other);
}

export type BoardState = ReturnType<typeof createBoard>;
