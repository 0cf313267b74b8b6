// Where to see what happens behind the page, when this is a local run.

import { useEffect, useState } from "preact/hooks";

export function WatchLink() {
  const [watch, setWatch] = useState<string | null>(null);
  useEffect(() => {
    fetch("links.json")
      .then((answer) => answer.json())
      .then((links: { watch: string | null }) => setWatch(links.watch))
      .catch(() => setWatch(null));
  }, []);
  if (watch === null) return null;
  return <a class="watch" href={watch} target="_blank" rel="noopener noreferrer" data-testid="watch">What happens behind</a>;
}
