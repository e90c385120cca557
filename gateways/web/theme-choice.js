// Owns which colours are chosen: the system's, light or dark.
import { effect, signal } from "@preact/signals";

const KEY = "hub.theme";
const ORDER = ["system", "light", "dark"];

export const theme = signal(document.documentElement.dataset.theme ?? "system");
export const next = () => {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length];
};

effect(() => {
  const { dataset } = document.documentElement;
  if (theme.value === "system") delete dataset.theme;
  else dataset.theme = theme.value;
  try {
    // Plain text, because theme.js reads it before any module is there.
    if (theme.value === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme.value);
  } catch {
    // Without storage the choice lasts until the next load.
  }
});
