// Requests to the worker: submit, wait with the position in the queue, cancel.

import { root, send } from "./common.js";

/** Submits a request; calls `status` with a text for people; resolves to {job, results, ...}.
 *  The former request of the same `slot` is cancelled. Resolves to null if this one was. */
export async function request(slot, path, options, status) {
  const ticket = {};
  const former = current.get(slot);
  current.set(slot, ticket);
  if (former?.job) fetch(`${root}/jobs/${former.job}`, { method: "DELETE" });
  status("Asking…");
  const first = await (await send(path, options)).json();
  ticket.job = first.job;
  let facts = first;
  while (facts.state === "waiting" || facts.state === "working") {
    status(facts.state === "working" ? "Working…" : `Waiting: ${place(facts.position)}`);
    if (current.get(slot) !== ticket) {
      fetch(`${root}/jobs/${ticket.job}`, { method: "DELETE" });
      return null;
    }
    const answer = await fetch(`${root}/jobs/${ticket.job}?position=${facts.position}`);
    if (current.get(slot) !== ticket) return null;
    if (!answer.ok) throw new Error("The gallery dropped the request. Try again.");
    facts = await answer.json();
  }
  ticket.job = null; // the results stay for others
  if (facts.state === "failed") throw new Error(facts.error);
  status("");
  return { ...first, ...facts };
}

const current = new Map();

function place(position) {
  return position === 1 ? "next in the queue" : `${position - 1} requests before this one`;
}

/** Returns the address of a result. */
export const resultOf = (answer, number) => `${root}/jobs/${answer.job}/${number}`;

/** Returns the options of a form that were changed, by name. */
export function changedOptions(form) {
  const options = {};
  for (const input of form.querySelectorAll("[data-option]")) {
    const isDefault = !input.dataset.changed;
    if (isDefault || input.value === "") continue;
    if (input.type === "checkbox") options[input.dataset.option] = input.checked;
    else if (input.type === "range" || input.type === "number") {
      options[input.dataset.option] = Number(input.value);
    } else options[input.dataset.option] = input.value;
  }
  return options;
}

/** Calls a function a moment after the last input of a form. */
export function onInput(form, call, delay = 150) {
  let timer;
  form.addEventListener("input", (event) => {
    if (event.target.dataset.option) event.target.dataset.changed = "yes";
    const output = event.target.parentElement.querySelector("output");
    if (output) output.textContent = event.target.value;
    clearTimeout(timer);
    timer = setTimeout(call, delay);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
}
