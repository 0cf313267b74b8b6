// What the demo believes of the contract, held against the contract itself: what it sends may be sent, what may come it
// understands. A difference is an error that names the event.
import type * as Demo from "../../../demo/src/contract";
import type * as Confer from "../../../docs/confer";

type Unfit<T, U> = [T] extends [U] ? never : "does not fit";
type Payload<E extends keyof Confer.Calls> = Confer.Calls[E][0] extends [infer P] ? P : Record<never, never>;
type Heard = Omit<Confer.Events, "field_updated"> & { field_updated: Confer.FieldUpdated }; // the demo opens no session

type Sent = { [E in keyof Demo.Calls]: E extends keyof Confer.Calls ? Unfit<Demo.Calls[E][0], Payload<E>> : "unknown" };
type Answered = {
  [E in keyof Demo.Calls]: E extends keyof Confer.Calls ? Unfit<Confer.Calls[E][1], Demo.Calls[E][1]> : "unknown";
};
type Told = { [E in keyof Demo.Events]: E extends keyof Heard ? Unfit<Heard[E], Demo.Events[E]> : "unknown" };
type Differing<T> = { [E in keyof T as T[E] extends never ? never : E]: T[E] };

export const sent: Differing<Sent> = {};
export const answered: Differing<Answered> = {};
export const told: Differing<Told> = {};
