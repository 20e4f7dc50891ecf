// What the pages do by themselves: follow a stream, load parts that come late, and say when the data are old.
// Everything that is shown was made and escaped on the server. Nothing leaves this machine.

const SILENT = 12_000; // ms after which the page says that nothing comes any more
const MOST_LINES = 2_000; // of a log in the page

const age = document.querySelector("[data-age]");
let heard = Date.now();
let isLive = false;
let isOver = false;

function clock() {
  return new Date(heard).toTimeString().slice(0, 8);
}

function tell() {
  if (!age) return;
  const old = isLive && !isOver && Date.now() - heard > SILENT;
  age.classList.toggle("old", old);
  age.textContent = old ? `no connection since ${clock()}: what is shown is old` : isOver ? "" : isLive ? "live" : "";
}

function hear() {
  heard = Date.now();
  isLive = true;
  tell();
}

// --- parts ---------------------------------------------------------------------------------------

/** Put new content into an element; what is open, scrolled or focused in it stays so. */
function put(element, html) {
  const open = new Map([...element.querySelectorAll("details")].map((each, at) => [key(each, at), each.open]));
  const scrolled = [...element.querySelectorAll(".scroll, .output")].map((each) => [each.scrollLeft, each.scrollTop]);
  const focused = element.contains(document.activeElement) ? path(element, document.activeElement) : null;
  element.innerHTML = html;
  element.querySelectorAll("details").forEach((each, at) => {
    const known = open.get(key(each, at));
    if (known !== undefined) each.open = known;
  });
  element.querySelectorAll(".scroll, .output").forEach((each, at) => {
    if (scrolled[at]) [each.scrollLeft, each.scrollTop] = scrolled[at];
  });
  if (focused) focused.reduce((node, at) => node?.children[at], element)?.focus({ preventScroll: true });
}

function key(details, at) {
  return `${at} ${details.firstElementChild?.textContent.replace(/[0-9,]+/g, "")}`;
}

function path(root, node) {
  const found = [];
  for (; node !== root; node = node.parentElement) found.unshift([...node.parentElement.children].indexOf(node));
  return found;
}

/** Say a verdict to those who hear the page, if it is another one than before. */
function say(element, before) {
  const live = document.querySelector("[data-say]");
  const now = verdict(element);
  if (live && now && now !== before) live.textContent = `${element.dataset.verdict}: ${now}`;
}

function verdict(element) {
  return element.querySelector(".verdict, .lead")?.textContent.replace(/\s+/g, " ").trim() ?? "";
}

function show(id, html) {
  const element = document.getElementById(id);
  if (!element) return;
  const before = "verdict" in element.dataset ? verdict(element) : "";
  put(element, html);
  if ("verdict" in element.dataset) say(element, before);
}

// --- streams -------------------------------------------------------------------------------------

/** Follow a stream while the page is visible: browsers allow six connections to one server. */
function follow(address, handlers, last = "") {
  let source = null;
  let at = last;
  const open = () => {
    if (source || document.hidden || isOver) return;
    source = new EventSource(at ? `${address}${address.includes("?") ? "&" : "?"}last=${encodeURIComponent(at)}` : address);
    source.onopen = hear;
    source.addEventListener("beat", hear);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => {
        hear();
        if (event.lastEventId) at = event.lastEventId;
        handle(JSON.parse(event.data));
      });
    }
  };
  const close = () => {
    source?.close();
    source = null;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  isLive = true;
  open();
  return close;
}

const main = document.querySelector("[data-stream]");
if (main) {
  const close = follow(main.dataset.stream, {
    part: ({ id, html }) => show(id, html),
    end: () => {
      isOver = true;
      close();
      tell();
    },
  });
}

const log = document.querySelector("[data-log]");
if (log) {
  const list = log.querySelector("ol");
  const stick = document.querySelector("[data-stick]");
  const down = () => stick?.checked && (log.scrollTop = log.scrollHeight);
  log.addEventListener("scroll", () => {
    if (stick && log.scrollHeight - log.scrollTop - log.clientHeight > 60) stick.checked = false;
  });
  stick?.addEventListener("change", down);
  down();
  follow(
    log.dataset.log,
    {
      lines: ({ html }) => {
        log.querySelector("[data-empty]")?.remove();
        list.insertAdjacentHTML("beforeend", html);
        while (list.children.length > MOST_LINES) list.firstElementChild.remove();
        down();
      },
      restart: () => list.replaceChildren(),
    },
    log.dataset.last,
  );
}

// --- parts that come late, or again ----------------------------------------------------------------

async function load(element, address, then = (html) => put(element, html)) {
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    then(answer.ok ? await answer.text() : `<p class="notice">not loaded: ${answer.status}</p>`);
  } catch {
    element.setAttribute("aria-busy", "false");
    if (element.dataset.load) put(element, '<p class="notice">not loaded: no connection</p>');
  }
}

for (const element of document.querySelectorAll("[data-load]")) load(element, element.dataset.load);

for (const element of document.querySelectorAll("[data-again]")) {
  const again = () => document.hidden || load(element, element.dataset.again, (html) => show(element.id, html));
  setInterval(again, 30_000);
}

setInterval(tell, 2_000);
tell();
