// What the pages share: messages, requests that change something, and parts that refresh.

export const root = document.body.dataset.root;

/** Shows a text in the status line, which screen readers read aloud. */
export function say(text) {
  const line = document.getElementById("message");
  line.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { line.textContent = ""; }, 6000);
}

/** Sends a request and returns the answer; throws an Error with the server's reason. */
export async function send(path, options = {}) {
  const answer = await fetch(path, { method: "POST", ...options });
  if (!answer.ok) {
    const reason = await answer.json().catch(() => ({}));
    throw new Error(reason.detail ?? `the gallery answered ${answer.status}`);
  }
  return answer;
}

/** Replaces each element with data-part whose HTML differs from that of the same page now. */
export async function refreshParts() {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-part]")) {
    const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!fresh || shown.get(part) === fresh.innerHTML) continue;
    shown.set(part, fresh.innerHTML);
    const strip = part.querySelector(".strip");
    const scrolled = strip?.scrollLeft ?? 0;
    const focused = part.contains(document.activeElement) ? nameOf(document.activeElement) : null;
    part.replaceChildren(...document.importNode(fresh, true).childNodes);
    if (scrolled) part.querySelector(".strip").scrollLeft = scrolled;
    if (focused) [...part.querySelectorAll("a,button,input,[tabindex]")]
      .find((element) => nameOf(element) === focused)?.focus();
  }
}

const shown = new WeakMap();
for (const part of document.querySelectorAll("[data-part]")) shown.set(part, part.innerHTML);

function nameOf(element) {
  return `${element.tagName} ${element.getAttribute("href") ?? element.value ?? ""}`;
}

/** Calls a function with {run: signature} when a run changes, and says when the gallery is gone. */
export function onChange(call) {
  const events = new EventSource(`${root}/events`);
  events.onmessage = (event) => call(JSON.parse(event.data));
  events.onerror = () => say("The gallery does not answer. It may have ended.");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-post]");
  if (!button) return;
  button.disabled = true;
  try {
    say((await (await send(button.dataset.post)).json()).detail);
  } catch (error) {
    button.disabled = false;
    say(error.message);
  }
});
