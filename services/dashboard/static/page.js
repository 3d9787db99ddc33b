// Keeps the page live, and says so loudly when it no longer is. The page is readable without it.
"use strict";
(() => {
  const STALE_AFTER_MS = 4000;
  const RECONNECT_AFTER_MS = 12000;
  const ICONS = { OK: "ok", DEGRADED: "warn", FAILED: "bad" };
  let heardAt = performance.now();
  let source = null;
  let openedAt = 0;
  let stale = false;
  let title = document.title;

  // Make `here` look like `there`, changing only what differs: open details, focus, selection
  // and a click in progress stay.
  function morph(here, there) {
    const olds = [...here.childNodes];
    const news = [...there.childNodes];
    news.forEach((fresh, index) => {
      const old = olds[index];
      if (!old) {
        here.append(fresh.cloneNode(true));
      } else if (old.nodeName !== fresh.nodeName || keyOf(old) !== keyOf(fresh)) {
        old.replaceWith(fresh.cloneNode(true));
      } else if (old.nodeType === Node.ELEMENT_NODE) {
        morphAttributes(old, fresh);
        morph(old, fresh);
      } else if (old.nodeValue !== fresh.nodeValue) {
        old.nodeValue = fresh.nodeValue;
      }
    });
    olds.slice(news.length).forEach((old) => old.remove());
  }

  function keyOf(node) {
    return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || "" : "";
  }

  function morphAttributes(old, fresh) {
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
  }

  function heard() {
    heardAt = performance.now();
    if (stale) showStale(false);
  }

  function showStale(now) {
    stale = now;
    document.body.classList.toggle("is-stale", now);
    document.getElementById("stale-bar").hidden = !now;
    document.title = now ? "STALE · " + title : title;
    if (now) {
      // An old OK must not look like an OK; the next event puts the true word back.
      document.getElementById("tab-icon").setAttribute("href", "/static/icon-bad.svg");
      document.getElementById("verdict-word").textContent = "STALE";
      const badge = document.getElementById("verdict-badge");
      badge.className = "badge bad";
      badge.parentElement.className = "verdict bad";
    }
  }

  function onStatus(event) {
    heard();
    const status = JSON.parse(event.data);
    title = `${status.overall} · ${status.mode.toUpperCase()} · self-healing trader`;
    document.title = title;
    const icon = `/static/icon-${ICONS[status.overall] || "bad"}.svg`;
    const link = document.getElementById("tab-icon");
    if (link.getAttribute("href") !== icon) link.setAttribute("href", icon);
  }

  function onPage(event) {
    heard();
    const sections = JSON.parse(event.data);
    for (const [name, html] of Object.entries(sections)) {
      const here = document.getElementById("section-" + name);
      if (!here) continue;
      const template = document.createElement("template");
      template.innerHTML = html;
      morph(here, template.content);
    }
  }

  function listen() {
    if (source) source.close();
    openedAt = performance.now();
    source = new EventSource("/api/events");
    source.addEventListener("status", onStatus);
    source.addEventListener("page", onPage);
  }

  // The browser's own clock judges: a frozen server cannot keep this page looking fresh.
  setInterval(() => {
    const now = performance.now();
    const silentMs = now - heardAt;
    if (silentMs > STALE_AFTER_MS) {
      document.getElementById("stale-age").textContent = String(Math.round(silentMs / 1000));
      if (!stale) showStale(true);
      if (now - openedAt > RECONNECT_AFTER_MS) listen();
    }
  }, 500);

  addEventListener("pagehide", () => source && source.close());
  addEventListener("pageshow", (event) => event.persisted && listen());
  listen();
})();
