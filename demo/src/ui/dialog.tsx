// A modal dialog: the browser's own, which keeps the focus inside, closes by Escape, and gives the focus back.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  id: string;
  title: string;
  /** By Escape, or by the button that closes; without it the dialog stays. */
  onClose?(): void;
  children: ComponentChildren;
}

export function Dialog({ id, title, onClose, children }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    element.current?.showModal();
    return () => {
      element.current?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  function cancelled(event: Event) {
    event.preventDefault();
    onClose?.();
  }
  return (
    <dialog class={`dialog ${id}`} ref={element} aria-labelledby={`${id}-title`} data-testid={id} onCancel={cancelled}>
      <header class="panel-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {onClose && <button class="quiet-button" aria-label="Close" data-testid={`${id}-close`} onClick={onClose}>✕</button>}
      </header>
      {children}
    </dialog>
  );
}
