import { dismiss, toasts, type Toast } from "../state/toasts";

export function Toasts() {
  return (
    <div class="toasts" role="region" aria-label="Messages" aria-live="polite">
      {toasts.value.map((toast) => <Message key={toast.id} toast={toast} />)}
    </div>
  );
}

function Message({ toast: { id, tone, title, text, offer } }: { toast: Toast }) {
  function accept() {
    dismiss(id);
    offer?.run();
  }
  return (
    <div class={`toast ${tone}`} role={tone === "error" ? "alert" : "status"} data-testid="toast">
      <div>
        <strong>{title}</strong>
        {text && <p>{text}</p>}
        {offer && <button class="link" data-testid="toast-offer" onClick={accept}>{offer.label}</button>}
      </div>
      <button class="quiet-button" aria-label={`Close: ${title}`} onClick={() => dismiss(id)}>✕</button>
    </div>
  );
}
