import { hue, initials } from "../identity";

export function Avatar({ userId, name, small }: { userId: string; name: string; small?: boolean }) {
  return (
    <span class={small ? "avatar small" : "avatar"} style={personal(userId)} aria-hidden="true" title={name}>
      {initials(name)}
    </span>
  );
}

/** What is drawn in a person's colour, which the style sheet makes of their hue. */
export const personal = (userId: string): Record<string, string> => ({ "--hue": String(hue(userId)) });
