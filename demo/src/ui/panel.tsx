import type { ComponentChildren } from "preact";

interface Props {
  id: string;
  title: string;
  aside?: ComponentChildren;
  away?: boolean;
  children: ComponentChildren;
}

/** A titled card; it says so when the service behind it does not answer. */
export function Panel({ id, title, aside, away, children }: Props) {
  return (
    <section class={`panel ${id}`} aria-labelledby={`${id}-title`}>
      <header class="panel-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {aside}
      </header>
      {away && (
        <p class="away-note" role="status" data-testid={`${id}-unavailable`}>
          Temporarily unavailable. What you see may be out of date; we keep asking.
        </p>
      )}
      {children}
    </section>
  );
}
