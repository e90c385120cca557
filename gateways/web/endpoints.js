// Owns the addresses of a person as the hub has them: fetched, and again while a proof of one is awaited.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { open } from "./api.js";

export const PATH = "/v1/me/endpoints";
const EVERY = 4_000;
const EMPTY = { items: [], channels: [], skew: 0, loading: true, problem: null };

// By how much this device's clock is behind the hub's: what the hub says of times is counted down here.
function skewOf(response) {
  const there = Date.parse(response.headers.get("Date") ?? "");
  return Number.isNaN(there) ? 0 : there - Date.now();
}

export function useEndpoints() {
  const [state, setState] = useState(EMPTY);
  const [awaited, setAwaited] = useState(false);
  const asked = useRef(0);
  const reload = useCallback(async () => {
    const mine = ++asked.current;
    try {
      const response = await open("GET", PATH);
      const { items, channels } = await response.json();
      if (mine === asked.current) setState({ items, channels, skew: skewOf(response), loading: false, problem: null });
    } catch (problem) {
      if (mine === asked.current) setState((now) => ({ ...now, loading: false, problem }));
    }
  }, []);
  useEffect(() => {
    reload();
  }, []);
  // A link is opened in another tab, a chat in another app: nobody tells this page.
  const waits = awaited || state.items.some((one) => one.state === "pending" && one.channel === "email");
  useEffect(() => {
    if (!waits) return undefined;
    const look = () => document.hidden || reload();
    const timer = setInterval(look, EVERY);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [waits]);
  return { ...state, reload, setAwaited };
}

// The seconds until a time of the hub's, counted down to 0.
export function useSecondsUntil(time, skew) {
  const left = () => (time ? Math.max(0, Math.ceil((new Date(time) - Date.now() - skew) / 1000)) : 0);
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    setSeconds(left());
    const timer = setInterval(() => {
      setSeconds(left());
      if (!left()) clearInterval(timer);
    }, 1_000);
    return () => clearInterval(timer);
  }, [time, skew]);
  return seconds;
}

const two = (number) => String(number).padStart(2, "0");

// "0:07", and "23:59:07" where it takes hours.
export function asClock(seconds) {
  const [minutes, rest] = [Math.floor(seconds / 60), two(seconds % 60)];
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${rest}`;
}
