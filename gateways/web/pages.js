// Owns lists that come in pages: the first, the ones behind it, and what went wrong.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get, withQuery } from "./api.js";

const EMPTY = { items: [], page: null, next: null, loading: true, problem: null };

export function usePages(path, query = {}) {
  const [state, setState] = useState(EMPTY);
  const asked = useRef(0);
  const key = withQuery(path, query);

  const load = useCallback(
    async (cursor) => {
      const mine = ++asked.current;
      setState((now) => ({ ...now, loading: true, problem: null }));
      const found = await get(withQuery(path, { ...query, cursor })).then(
        (page) => ({ page }),
        (problem) => ({ problem }),
      );
      // A filter that was changed meanwhile has asked again; this answer is to an old question.
      if (mine !== asked.current) return;
      setState((now) =>
        found.page
          ? {
              items: merge(cursor ? now.items : [], found.page.items),
              page: found.page,
              next: found.page.next ?? null,
              loading: false,
              problem: null,
            }
          : { ...now, loading: false, problem: found.problem },
      );
    },
    [key],
  );
  useEffect(() => {
    load();
  }, [load]);
  const replace = (item) =>
    setState((now) => ({ ...now, items: now.items.map((other) => (other.id === item.id ? item : other)) }));
  return { ...state, older: () => load(state.next), reload: () => load(), replace };
}

function merge(before, after) {
  const known = new Set(before.map(identity));
  return [...before, ...after.filter((item) => !known.has(identity(item)))];
}

const identity = ({ id, event_id: event }) => id ?? event;
