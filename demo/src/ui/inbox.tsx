// The drawer behind the bell: the inbox, filtered; what is told; what the person wants to hear of.

import { useEffect } from "preact/hooks";
import type { Notification } from "../contract";
import type { Portal } from "../portal";
import type { Shown, Type } from "../state/inbox";
import { Compose } from "./compose";
import { clock } from "./format";

const SHOWN: Record<Shown, string> = { inbox: "Inbox", unread: "Unread", archived: "Put away", all: "Everything" };
const TYPES: Type[] = ["any", "info", "success", "warning", "error", "message"];

export function Drawer({ portal }: { portal: Portal }) {
  const { inbox } = portal;
  const items = inbox.items.value;
  useEffect(inbox.opened, [inbox.unseen.value]);
  return (
    <div class="drawer" role="dialog" aria-label="Notifications" data-testid="inbox">
      <header class="panel-head">
        <h2>Notifications</h2>
        <button class="link" data-testid="read-all" disabled={!inbox.unread.value} onClick={() => void inbox.mark("read", { all: true })}>Mark all as read</button>
        <button class="link" data-testid="archive-all" disabled={!items.some((item) => inbox.isKept(item.id))} onClick={() => void inbox.mark("archive", { all: true })}>Put all away</button>
      </header>
      <Filters portal={portal} />
      {!inbox.available.value && <p class="away-note" role="status" data-testid="inbox-unavailable">Temporarily unavailable.</p>}
      <ul class="inbox">
        {items.map((item) => <Item key={item.id} portal={portal} item={item} />)}
        {!items.length && <li class="quiet">Nothing {inbox.shown.value === "inbox" ? "yet" : "here"}.</li>}
      </ul>
      <Wishes portal={portal} />
      <Compose portal={portal} />
    </div>
  );
}

function Filters({ portal: { inbox } }: { portal: Portal }) {
  const shown = inbox.shown.value;
  const type = inbox.type.value;
  return (
    <div class="filters">
      <select aria-label="Which" data-testid="inbox-shown" value={shown} onChange={(e) => inbox.show(e.currentTarget.value as Shown, type)}>
        {Object.entries(SHOWN).map(([value, label]) => <option key={value} value={value}>{label}</option>)}
      </select>
      <select aria-label="Type" data-testid="inbox-type" value={type} onChange={(e) => inbox.show(shown, e.currentTarget.value as Type)}>
        {TYPES.map((value) => <option key={value} value={value}>{value === "any" ? "Any type" : value}</option>)}
      </select>
    </div>
  );
}

function Item({ portal, item }: { portal: Portal; item: Notification }) {
  const { inbox, presence, me } = portal;
  const kept = inbox.isKept(item.id);
  const unread = kept && !item.read;
  const away = item.state === "archived";
  const title = item.type === "message" && item.from_user ? `Message from ${presence.nameOf(item.from_user)}` : item.title;
  const from = item.from_user === me.user_id ? "you" : item.from_user && presence.nameOf(item.from_user);
  return (
    <li class={`item ${item.type} ${unread && !item.muted ? "new" : ""}`} data-testid="inbox-item" data-read={!unread} data-state={item.state}>
      <i class="dot" aria-hidden="true" />
      <div>
        <strong>{item.link ? <a href={item.link} rel="noreferrer">{title}</a> : title}</strong>
        {item.message && <p>{item.message}</p>}
        <small>{from && `${from} · `}{clock(item.timestamp)}{item.muted && " · muted"}{!kept && " · shown live, not kept"}</small>
      </div>
      {unread && !away && <button class="link" data-testid="mark-read" onClick={() => void inbox.mark("read", { ids: [item.id] })}>Mark read</button>}
      {kept && <button class="link" data-testid={away ? "take-back" : "archive"} onClick={() => void inbox.mark("archive", { ids: [item.id], undo: away })}>{away ? "Take back" : "Put away"}</button>}
    </li>
  );
}

const QUIET = { start: "22:00", end: "07:00" };

function Wishes({ portal: { wishes } }: { portal: Portal }) {
  const { quiet } = wishes.preferences.value;
  const time = (end: "start" | "end") => quiet && (
    <input type="time" aria-label={`Quiet hours: ${end}`} data-testid={`quiet-${end}`} value={quiet[end]} required onChange={(e) => {
      if (e.currentTarget.value) void wishes.beQuiet({ start: quiet.start, end: quiet.end, [end]: e.currentTarget.value });
    }} />
  );
  return (
    <div class="wishes">
      <label class="switch"><input type="checkbox" data-testid="mute-info" checked={wishes.mutesInfo.value} onChange={(e) => void wishes.muteInfo(e.currentTarget.checked)} />Mute what is for information</label>
      <label class="switch"><input type="checkbox" data-testid="be-staff" checked={wishes.isStaff.value} onChange={(e) => void wishes.beStaff(e.currentTarget.checked)} />I am staff of the queue</label>
      <label class="switch"><input type="checkbox" data-testid="quiet" checked={quiet !== null} onChange={(e) => void wishes.beQuiet(e.currentTarget.checked ? QUIET : null)} />Quiet hours</label>
      {time("start")}{time("end")}
      {wishes.quietUntil.value && <span class="chip held" data-testid="quiet-until">quiet until {clock(wishes.quietUntil.value)}</span>}
    </div>
  );
}
