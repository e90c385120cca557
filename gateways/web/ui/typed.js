// Owns a filter that is typed: it takes effect once typing pauses.
import { useEffect, useRef, useState } from "preact/hooks";

const PAUSE = 350;

export function useTyped(value, change) {
  const [text, setText] = useState(value);
  const latest = useRef(change);
  latest.current = change; // other filters may be chosen meanwhile
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    const timer = text.trim() !== value && setTimeout(() => latest.current(text.trim()), PAUSE);
    return () => clearTimeout(timer);
  }, [text]);
  return [text, setText];
}
