// Telling somebody something: a notification, or a direct message.

import type { Addressee } from "../contract";
import { newOp } from "../ids";
import type { Call } from "../socket";
import type { Say } from "./toasts";

export function createTell(call: Call, say: Say) {
  async function notify(to: Addressee, title: string, message: string, urgent: boolean, must = false): Promise<boolean> {
    const type = urgent ? "warning" : "info";
    const plan = must ? { must_acknowledge: { repeat_s: 60, repeats: 5 } } : {};
    const answer = await call("notification_send", { to, title, message, type, ...plan, op: newOp() });
    return told(answer.status === "ok" ? null : answer.message);
  }

  async function write(target_user: string, message: string): Promise<boolean> {
    const answer = await call("send_message", { target_user, message, op: newOp() });
    return told(answer.status === "ok" ? null : answer.message);
  }

  function told(problem: string | null): boolean {
    if (problem === null) say("success", "Sent");
    else say("error", "Not sent", problem);
    return problem === null;
  }

  return { notify, write };
}
