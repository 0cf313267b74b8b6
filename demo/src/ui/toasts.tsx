import { dismiss, toasts } from "../state/toasts";

export function Toasts() {
  return (
    <div class="toasts" aria-live="polite">
      {toasts.value.map(({ id, tone, title, text }) => (
        <div key={id} class={`toast ${tone}`} role={tone === "error" ? "alert" : "status"} data-testid="toast">
          <div><strong>{title}</strong>{text && <p>{text}</p>}</div>
          <button class="quiet-button" aria-label="Close" onClick={() => dismiss(id)}>✕</button>
        </div>
      ))}
    </div>
  );
}
