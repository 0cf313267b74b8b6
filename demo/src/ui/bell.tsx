// The bell with its count, and the drawer behind it: the inbox, and sending.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Notification } from "../contract";
import type { Portal } from "../portal";
import { Compose } from "./compose";
import { clock } from "./format";

export function Bell({ portal }: { portal: Portal }) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const unread = portal.inbox.unread.value;
  useEffect(() => {
    if (!open) return;
    const close = (event: Event) => {
      const escape = event instanceof KeyboardEvent && event.key === "Escape";
      const outside = event instanceof PointerEvent && !event.composedPath().includes(root.current!);
      if (escape || outside) setOpen(false);
    };
    for (const type of ["keydown", "pointerdown"]) document.addEventListener(type, close);
    return () => {
      for (const type of ["keydown", "pointerdown"]) document.removeEventListener(type, close);
    };
  }, [open]);
  return (
    <div class="bell" ref={root}>
      <button class="bell-button" data-testid="bell" aria-expanded={open} aria-label={`Notifications, ${unread} unread`} onClick={() => setOpen(!open)}>
        <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 16V11a6 6 0 0 1 12 0v5l1.6 2.2H4.4L6 16zM10 20.5a2.2 2.2 0 0 0 4 0" /></svg>
        <span class={unread ? "unread" : "unread none"} data-testid="unread">{unread}</span>
      </button>
      {open && <Drawer portal={portal} />}
    </div>
  );
}

function Drawer({ portal }: { portal: Portal }) {
  const { inbox } = portal;
  const items = inbox.items.value;
  return (
    <div class="drawer" role="dialog" aria-label="Notifications" data-testid="inbox">
      <header class="panel-head">
        <h2>Notifications</h2>
        <button class="link" data-testid="read-all" disabled={!inbox.unread.value} onClick={() => void inbox.read({ all: true })}>Mark all as read</button>
      </header>
      {!inbox.available.value && <p class="away-note" role="status" data-testid="inbox-unavailable">Temporarily unavailable.</p>}
      <ul class="inbox">
        {items.map((item) => <Item key={item.id} portal={portal} item={item} />)}
        {!items.length && <li class="quiet">Nothing yet.</li>}
      </ul>
      <Compose portal={portal} />
    </div>
  );
}

function Item({ portal, item }: { portal: Portal; item: Notification }) {
  const { inbox, presence, me } = portal;
  const kept = inbox.isKept(item.id);
  const unread = kept && !item.read;
  const title = item.type === "message" && item.from_user ? `Message from ${presence.nameOf(item.from_user)}` : item.title;
  const from = item.from_user === me.user_id ? "you" : item.from_user && presence.nameOf(item.from_user);
  return (
    <li class={`item ${item.type} ${unread ? "new" : ""}`} data-testid="inbox-item" data-read={!unread}>
      <i class="dot" aria-hidden="true" />
      <div>
        <strong>{title}</strong>
        {item.message && <p>{item.message}</p>}
        <small>{from && `${from} · `}{clock(item.timestamp)}{!kept && " · shown live, not kept"}</small>
      </div>
      {unread && <button class="link" data-testid="mark-read" onClick={() => void inbox.read({ ids: [item.id] })}>Mark read</button>}
    </li>
  );
}
