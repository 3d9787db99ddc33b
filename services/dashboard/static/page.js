// Keeps the page live, and says so loudly when it no longer is. The page is readable without it.
"use strict";
(() => {
  const STALE_AFTER_MS = 4000;
  const RECONNECT_AFTER_MS = 12000;
  let heardAt = performance.now();
  let source = null;
  let openedAt = 0;
  let stale = false;
  let signedOut = false;

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
    signedOut = false;
    if (!stale) return;
    stale = false;
    document.body.classList.remove("is-stale");
    document.getElementById("stale-bar").hidden = true;
    // The first sections of this stream bring the true verdict back.
  }

  function showStale() {
    stale = true;
    document.body.classList.add("is-stale");
    document.getElementById("stale-bar").hidden = false;
    document.title = `STALE · ${document.getElementById("mode").textContent}`;
    // An old OK must not look like an OK, nor its words be read as those of now.
    document.getElementById("verdict-reason").textContent = signedOut
      ? "The session of this browser is over. Everything below is old."
      : "The dashboard does not answer this browser. Everything below is old.";
    document.getElementById("verdict-next").textContent = signedOut
      ? "Sign in again."
      : "Ask without this page: deploy_supervisor.py status.";
    document.getElementById("stale-sign-in").hidden = !signedOut;
    document.getElementById("tab-icon").setAttribute("href", "/static/icon-bad.svg");
    document.getElementById("verdict-word").textContent = "STALE";
    const badge = document.getElementById("verdict-badge");
    badge.className = "badge bad";
    badge.parentElement.className = "verdict bad";
  }

  // Title and icon of the tab tell what the verdict tells.
  function showInTab() {
    const { title, tone } = document.getElementById("verdict-badge").dataset;
    document.title = title;
    const icon = `/static/icon-${tone}.svg`;
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
    if (sections.verdict) showInTab();
  }

  // A stream that was refused says not why; whoever asks plainly is told.
  async function askWhy() {
    if (source.readyState !== EventSource.CLOSED) return;
    try {
      const signal = AbortSignal.timeout(STALE_AFTER_MS);
      const reply = await fetch("/api/unified/status", { method: "HEAD", signal });
      signedOut = reply.status === 401;
    } catch {
      signedOut = false;
    }
    if (signedOut) showStale();
  }

  function listen() {
    if (source) source.close();
    openedAt = performance.now();
    source = new EventSource("/api/events");
    source.addEventListener("status", heard);
    source.addEventListener("page", onPage);
    source.addEventListener("error", askWhy);
  }

  // The browser's own clock judges: a frozen server cannot keep this page looking fresh.
  setInterval(() => {
    const now = performance.now();
    const silentMs = now - heardAt;
    if (silentMs > STALE_AFTER_MS) {
      document.getElementById("stale-age").textContent = String(Math.round(silentMs / 1000));
      if (!stale) showStale();
      if (now - openedAt > RECONNECT_AFTER_MS) listen();
    }
  }, 500);

  // "Close" of a row goes to the form with its symbol in it, without leaving the page.
  addEventListener("click", (event) => {
    const link = event.target.closest("a[data-symbol]");
    const form = document.getElementById("gesture-close");
    if (!link || !form) return;
    event.preventDefault();
    form.elements.symbol.value = link.dataset.symbol;
    form.scrollIntoView({ block: "center" });
    form.elements.reason.focus();
  });

  addEventListener("pagehide", () => source && source.close());
  addEventListener("pageshow", (event) => event.persisted && listen());
  listen();
})();
