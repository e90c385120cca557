// Answers what somebody would stumble over who cannot see this page well, or at all; nothing when all is well.
() => {
  const found = [];
  const say = (what, element) => found.push(`${what}: ${element.outerHTML.slice(0, 160)}`);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const shown = (element) => element.checkVisibility();
  const ids = (element, name) => (element.getAttribute(name) ?? "").split(" ").filter(Boolean);

  function named(element) {
    const labels = [element.getAttribute("aria-label"), element.title, ...ids(element, "aria-labelledby")];
    if (labels.some((label) => label?.trim()) || element.labels?.length) return true;
    return !element.matches("input, select, textarea") && Boolean(element.textContent.trim());
  }

  function names() {
    all("input, select, textarea, button, a[href]").filter(shown).forEach((one) => named(one) || say("no name", one));
    all("img:not([alt]), svg:not([aria-hidden]):not([role])").forEach((one) => say("no text", one));
    for (const name of ["aria-describedby", "aria-labelledby"]) {
      const lost = (one) => ids(one, name).some((id) => !document.getElementById(id));
      all(`[${name}]`).filter(lost).forEach((one) => say(`${name} leads nowhere`, one));
    }
    all("[tabindex]").filter(({ tabIndex }) => tabIndex > 0).forEach((one) => say("jumps the order", one));
    const known = all("[id]").map(({ id }) => id);
    known.filter((id, index) => known.indexOf(id) !== index).forEach((id) => found.push(`id ${id} is there twice`));
  }

  function landmarks() {
    for (const one of ["#app > header, body > header", "main", "h1"]) {
      if (all(one).length !== 1) found.push(`${all(one).length} of ${one}`);
    }
    if (!document.documentElement.lang) found.push("no language");
    if (!document.title) found.push("no title");
  }

  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });

  // Painted, because a computed colour may be written in any of a dozen ways.
  function over(under, colour) {
    pen.fillStyle = `rgb(${under.join(" ")})`;
    pen.fillRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  }

  function behind(element) {
    const around = element.parentElement ? behind(element.parentElement) : [255, 255, 255];
    return over(around, getComputedStyle(element).backgroundColor);
  }

  function light(colour) {
    const [red, green, blue] = colour.map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  function contrast(element) {
    const under = behind(element);
    const [one, other] = [light(under), light(over(under, getComputedStyle(element).color))];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  }

  function colours() {
    const said = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const ignored = ":disabled, :disabled *, .visually-hidden, .visually-hidden *, noscript, option, .skip-link";
    for (const one of all("body *").filter((one) => said(one) && shown(one) && !one.matches(ignored))) {
      const ratio = contrast(one);
      if (ratio < 4.5) say(`contrast ${ratio.toFixed(2)}`, one);
    }
  }

  names();
  landmarks();
  colours();
  return found;
}
