"use strict";
(() => {
  const all = [...document.querySelectorAll(".test")];
  const byId = (id) => document.getElementById(id);
  const tools = document.querySelector(".tools");
  const root = document.documentElement;

  // The theme: of the system until somebody chooses. A file opened from disk may have no storage.
  const themes = ["system", "light", "dark"];
  const themeButton = byId("theme");
  const keep = (value) => { try { localStorage.setItem("f3dx-theme", value); } catch { /* none */ } };
  const kept = () => { try { return localStorage.getItem("f3dx-theme"); } catch { return null; } };
  const setTheme = (theme) => {
    if (theme === "system") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
    themeButton.textContent = `Theme: ${theme}`;
    themeButton.value = theme;
  };
  setTheme(themes.includes(kept()) ? kept() : "system");
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    const next = themes[(themes.indexOf(themeButton.value) + 1) % themes.length];
    keep(next);
    setTheme(next);
  });

  if (!tools) return;

  tools.hidden = false;
  document.querySelector(".keys").hidden = false;
  const input = byId("filter");
  const chosen = { status: new Set(), part: new Set() };
  const names = new Map(all.map((test) => [test, test.querySelector(".name").textContent.toLowerCase()]));
  const toggles = [...tools.querySelectorAll("[aria-pressed]")];

  const matches = (test, words) => {
    const { status, parts } = test.dataset;
    const has = parts.split(" ");
    return (!chosen.status.size || chosen.status.has(status))
      && [...chosen.part].every((part) => has.includes(part))
      && words.every((word) => names.get(test).includes(word));
  };
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const test of all) {
      test.hidden = !matches(test, words);
      if (!test.hidden) shown += 1;
    }
    const of = all.length === 1 ? "1 test" : `${all.length.toLocaleString("en")} tests`;
    byId("count").textContent = shown === all.length ? of : `${shown.toLocaleString("en")} of ${of}`;
    byId("none").hidden = shown > 0;
  };
  input.addEventListener("input", filter);
  tools.addEventListener("submit", (event) => event.preventDefault());
  for (const button of toggles) {
    button.addEventListener("click", () => {
      const [set, value] = button.dataset.status ? [chosen.status, button.dataset.status] : [chosen.part, button.dataset.part];
      if (!set.delete(value)) set.add(value);
      button.setAttribute("aria-pressed", String(set.has(value)));
      filter();
    });
  }
  const reset = () => {
    input.value = "";
    chosen.status.clear();
    chosen.part.clear();
    for (const button of toggles) button.setAttribute("aria-pressed", "false");
    filter();
  };
  byId("reset").addEventListener("click", () => {
    reset();
    input.focus();
  });
  const openAll = (open) => { for (const test of all) if (!test.hidden) test.open = open; };
  byId("open").addEventListener("click", () => openAll(true));
  byId("close").addEventListener("click", () => openAll(false));

  // Keys: those of other review tools; never while somebody types.
  const step = (by) => {
    const shown = all.filter((test) => !test.hidden);
    const at = shown.findIndex((test) => test.contains(document.activeElement));
    const next = shown[at < 0 ? (by > 0 ? 0 : shown.length - 1) : Math.min(Math.max(at + by, 0), shown.length - 1)];
    if (next) {
      next.querySelector("summary").focus();
      next.scrollIntoView({ block: "nearest" });
    }
  };
  const keys = { j: () => step(1), k: () => step(-1), "/": () => input.focus() };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && document.activeElement === input) input.blur();
    if (event.target.matches("input, textarea, select") || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  filter();

  // A link to a test, such as those of the charts, opens it, whatever was filtered.
  const follow = () => {
    const test = location.hash && byId(location.hash.slice(1));
    if (!test || !test.matches(".test")) return;
    if (test.hidden) reset();
    test.open = true;
    test.scrollIntoView();
    // Once what comes into view has its true height, the place has moved.
    requestAnimationFrame(() => requestAnimationFrame(() => test.scrollIntoView()));
  };
  addEventListener("hashchange", follow);
  follow();
})();
