// Owns access to the browser's storage, which may be full, forbidden or hold something stale.

export function load(area, key, fallback) {
  try {
    return JSON.parse(area().getItem(key)) ?? fallback;
  } catch {
    return fallback;
  }
}

// Answers whether it is kept.
export function save(area, key, value) {
  try {
    if (value === undefined) area().removeItem(key);
    else area().setItem(key, JSON.stringify(value));
    return true;
  } catch {
    // Remembering is a convenience: without storage everything works, only until the next load.
    return false;
  }
}

export function forget(area, prefix) {
  try {
    for (const key of Object.keys(area())) if (key.startsWith(prefix)) area().removeItem(key);
  } catch {
    // Where storage is forbidden there is nothing to forget.
  }
}

// Functions, because touching the property alone throws where storage is forbidden.
export const tab = () => window.sessionStorage;
export const device = () => window.localStorage;
