// Shows other lines of the log without leaving the page, and keeps them fresh while seen.
"use strict";
(() => {
  const EVERY_MS = 2000;
  const TYPING_MS = 250;
  const form = document.getElementById("log-form");
  const place = document.getElementById("section-log");
  let asked = 0;
  let seen = false;
  let typing = 0;

  async function show() {
    const turn = ++asked;
    const query = new URLSearchParams(new FormData(form));
    try {
      const reply = await fetch(`/log?${query}`, { signal: AbortSignal.timeout(EVERY_MS * 2) });
      if (turn !== asked || !reply.ok) return;
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const fresh = page.getElementById("section-log");
      if (fresh && fresh.innerHTML !== place.innerHTML) place.replaceChildren(...fresh.childNodes);
    } catch {
      // The stale bar says it when nothing answers any more; the lines stay as they were.
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(show, TYPING_MS);
  });
  new IntersectionObserver((entries) => {
    seen = entries.some((entry) => entry.isIntersecting);
  }).observe(place);
  const isAtTop = () => place.scrollTop === 0 && getSelection().isCollapsed;
  setInterval(() => seen && !document.hidden && isAtTop() && show(), EVERY_MS);
})();
