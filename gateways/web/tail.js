// Owns following the log as it grows: one stream for as long as it is wanted, continued where it broke.
import { open, withQuery } from "./api.js";
import { messages } from "./sse.js";

const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;

// Calls `onState` with "connecting", "following" or a problem, `onBegin` when it follows from now on rather than
// from where it broke, and `onEvent` with each event; returns how to stop.
export function follow(filter, handlers) {
  const abort = new AbortController();
  run(filter, abort.signal, handlers);
  return () => abort.abort();
}

async function run({ type, user }, signal, { onEvent, onState, onBegin }) {
  let [lastId, delay] = [undefined, FIRST_DELAY];
  while (!signal.aborted) {
    try {
      onState("connecting");
      const headers = lastId === undefined ? {} : { "Last-Event-ID": lastId };
      const response = await open("GET", withQuery("/v1/events/tail", { type, user }), { signal, headers });
      onState("following");
      if (lastId === undefined) onBegin();
      delay = FIRST_DELAY;
      for await (const { id, data } of messages(response.body)) {
        lastId = id ?? lastId;
        onEvent(JSON.parse(data));
      }
    } catch (problem) {
      if (signal.aborted) return;
      onState(problem);
      if (problem.final) return;
    }
    await new Promise((resolve) => {
      setTimeout(resolve, delay);
    });
    delay = Math.min(LONGEST_DELAY, delay * 2);
  }
}
