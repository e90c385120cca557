// Owns the list of the events page: pages of the log going back, and the live tail in front of them.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get, withQuery } from "./api.js";
import { follow } from "./tail.js";

const PAGE = 50;
const KEPT = 500;
const GATHER = 100;

const SPANS = { "15m": 15 * 60_000, "1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000 };

function query({ type, subject, since }) {
  const span = SPANS[since];
  return { type, subject, since: span && new Date(Date.now() - span).toISOString(), limit: PAGE, order: "desc" };
}

// An event waiting for its number when the page was read comes again, numbered, by the tail: the later one counts.
function merge(before, after) {
  const later = new Map(after.map((event) => [event.id, event]));
  const replaced = new Set(before.map(({ id }) => id));
  return [
    ...before.map((event) => (event.seq === null && later.get(event.id)) || event),
    ...after.filter(({ id }) => !replaced.has(id)),
  ];
}

const EMPTY = { items: [], next: null, loading: true, problem: null };

export function useLog(filters) {
  const [state, setState] = useState(EMPTY);
  const asked = useRef(0);
  const key = JSON.stringify(filters);

  const load = useCallback(
    async ({ cursor, behind = () => [] } = {}) => {
      const mine = ++asked.current;
      setState((now) => ({ ...now, loading: true, problem: null }));
      try {
        const page = await get(withQuery("/v1/events", { ...query(filters), cursor }));
        // A filter that was changed meanwhile has asked again; this answer is to an old question.
        if (mine !== asked.current) return;
        setState((now) => ({
          items: merge(behind(now.items, page.items), page.items),
          next: page.next,
          loading: false,
          problem: null,
        }));
      } catch (problem) {
        if (mine === asked.current) setState((now) => ({ ...now, loading: false, problem }));
      }
    },
    [key],
  );

  useEffect(() => {
    load();
  }, [load]);
  const add = useCallback(
    (events) =>
      setState((now) => {
        const items = merge([...events].reverse(), now.items);
        // Cut only what the tail made too long: whoever went back by hand keeps what they asked for.
        return { ...now, items: now.items.length <= KEPT ? items.slice(0, KEPT) : items };
      }),
    [],
  );
  // What the tail brought while the page was on its way stays in front of it.
  const catchUp = useCallback(() => load({ behind: newerThan }), [load]);
  return {
    ...state,
    older: () => load({ cursor: state.next, behind: (items) => items }),
    reload: () => load(),
    add,
    catchUp,
  };
}

function newerThan(items, page) {
  const newest = Math.max(0, ...page.map(({ seq }) => seq ?? 0));
  return items.filter(({ seq }) => seq > newest);
}

export function useTail(on, filters, { add, catchUp }) {
  const [state, setState] = useState("off");
  useEffect(() => {
    if (!on) return setState("off");
    let [gathered, timer] = [[], undefined];
    const flush = () => {
      timer = undefined;
      add(gathered);
      gathered = [];
    };
    const stop = follow(
      { type: filters.type },
      {
        onState: setState,
        // The tail begins with what comes next; the list may be older than that.
        onBegin: catchUp,
        onEvent: (event) => {
          if (filters.subject && event.subject !== filters.subject) return;
          gathered.push(event);
          timer ??= setTimeout(flush, GATHER);
        },
      },
    );
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [on, filters.type, filters.subject, add, catchUp]);
  return state;
}
