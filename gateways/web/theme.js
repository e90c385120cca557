// Runs before the first paint, so that a page in the chosen colours never flashes in the other ones.
(() => {
  try {
    const chosen = localStorage.getItem("hub.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden; the system's colours are right then.
  }
})();
