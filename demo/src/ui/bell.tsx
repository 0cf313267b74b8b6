// The bell with its counts: how many are unread, and in colour while some were not even seen.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Portal } from "../portal";
import { Drawer } from "./inbox";

export function Bell({ portal }: { portal: Portal }) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const unread = portal.inbox.unread.value;
  const unseen = portal.inbox.unseen.value;
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
        <span class={`unread ${unread ? "" : "none"} ${unseen ? "" : "seen"}`} data-testid="unread" data-unseen={unseen}>{unread}</span>
      </button>
      {open && <Drawer portal={portal} />}
    </div>
  );
}
