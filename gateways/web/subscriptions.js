// Owns which rooms of /feed this browser is in: it brings what the server has in line with what is wanted.

import { signal } from "@preact/signals";

const KINDS = ["zones", "content", "proposals"];
const AT_ONCE = 100;
const PACE = 100;
const AFTER_A_REFUSAL = 2_000;

const pause = (milliseconds) =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
const sets = () => Object.fromEntries(KINDS.map((kind) => [kind, new Set()]));

export class Subscriptions {
  // The zones the server has confirmed.
  zones = signal(new Set());
  #ask;
  #onRefused;
  #wanted = sets();
  #joined = sets();
  #refused = sets();
  #connection = 0;
  #connected = false;
  #running = false;

  constructor(ask, onRefused) {
    this.#ask = ask;
    this.#onRefused = onRefused;
  }

  want(wanted) {
    for (const kind of KINDS) this.#wanted[kind] = new Set(wanted[kind]);
    this.#run();
  }

  // A recovered connection is still in its rooms; a fresh one is in none.
  connected(recovered) {
    this.#connection += 1;
    this.#connected = true;
    if (!recovered) this.#joined = sets();
    this.#show();
    this.#run();
  }

  lost() {
    this.#connected = false;
  }

  #next() {
    for (const kind of KINDS) {
      const missing = [...this.#wanted[kind]].filter(
        (id) => !this.#joined[kind].has(id) && !this.#refused[kind].has(id),
      );
      if (missing.length) return { name: "subscribe", kind, ids: missing.slice(0, AT_ONCE) };
      const extra = [...this.#joined[kind]].filter((id) => !this.#wanted[kind].has(id));
      if (extra.length) return { name: "unsubscribe", kind, ids: extra.slice(0, AT_ONCE) };
    }
    return null;
  }

  // One request at a time and paced: a busy feed must not spend the connection's allowance of events.
  async #run() {
    if (this.#running) return;
    this.#running = true;
    for (let step; this.#connected && (step = this.#next()); await pause(PACE)) {
      const connection = this.#connection;
      const answer = await this.#ask(step.name, { [step.kind]: step.ids }).catch(() => null);
      // What was asked on a connection that is gone says nothing about the rooms of the next one.
      if (connection !== this.#connection || !this.#connected) continue;
      if (answer?.ok) this.#settle(step);
      else if (answer?.error?.code === "invalid") this.#refuse(step, answer.error);
      else await pause(AFTER_A_REFUSAL);
    }
    this.#running = false;
  }

  #settle({ name, kind, ids }) {
    for (const id of ids) this.#joined[kind][name === "subscribe" ? "add" : "delete"](id);
    if (kind === "zones") this.#show();
  }

  #show() {
    this.zones.value = new Set(this.#joined.zones);
  }

  // Never asked again, or the one wrong name would block all others behind it.
  #refuse({ kind, ids }, error) {
    for (const id of ids) {
      this.#refused[kind].add(id);
      this.#joined[kind].delete(id);
    }
    this.#onRefused(kind, ids, error);
  }
}
