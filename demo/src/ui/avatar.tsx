import { hue, initials } from "../identity";

export function Avatar({ userId, name, small }: { userId: string; name: string; small?: boolean }) {
  const colour = { backgroundColor: `hsl(${hue(userId)} 42% 36%)` };
  return (
    <span class={small ? "avatar small" : "avatar"} style={colour} aria-hidden="true" title={name}>
      {initials(name)}
    </span>
  );
}
