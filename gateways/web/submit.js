// Owns sending one thing exactly once: no double click, and a repeated attempt carries the same key.
import { useRef, useState } from "preact/hooks";
import { newKey, publish } from "./api.js";
import { appears } from "./feed.js";
import { notify } from "./ui/toasts.js";

const SHOWN_WITHIN = 4_000;

export function useSubmit() {
  const [busy, setBusy] = useState(false);
  const flying = useRef(false);
  const attempt = useRef(null);

  // Answers whether the event was accepted; by then it has also come through the live connection, or it is late.
  async function submit(event) {
    if (flying.current) return false;
    flying.current = true;
    setBusy(true);
    const text = JSON.stringify(event);
    if (attempt.current?.text !== text) attempt.current = { text, key: newKey() };
    try {
      const id = await publish(event, attempt.current.key);
      attempt.current = null;
      if (!(await appears(id, SHOWN_WITHIN)))
        notify({ title: "Published", text: "It appears here when the live connection catches up.", good: true });
      return true;
    } catch (problem) {
      // Without a final answer it may have been accepted: only the same key tells.
      if (problem.final) attempt.current = null;
      notify({ problem, title: "Not published" });
      return false;
    } finally {
      flying.current = false;
      setBusy(false);
    }
  }

  return { busy, submit };
}
