// The page of samples: a grid by seed, the images between two samples, downloads.

import { root } from "./common.js";
import { changedOptions, onInput, request, resultOf } from "./jobs.js";

const COUNT = 16;
const FRAMES = 16;
const element = (id) => document.getElementById(id);
const form = element("controls");
const model = document.querySelector("[data-model]").dataset.model;
let selected = [];

function task() {
  const label = form.elements.label?.value || null;
  return { model, label, options: changedOptions(form) };
}

const post = (body) => ({
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

const status = (text) => { element("status").textContent = text; };

async function draw() {
  const seed = Math.max(0, Math.floor(Number(form.elements.seed.value) || 0));
  try {
    const answer = await request(
      "samples", `${root}/samples`, post({ ...task(), seed, count: COUNT }), status);
    if (answer) show(answer, seed);
  } catch (error) {
    status(error.message);
  }
}

function show(answer, seed) {
  const tiles = [];
  for (let i = 0; i < answer.results; i += 1) {
    const tile = document.createElement("li");
    const button = document.createElement("button");
    const image = document.createElement("img");
    image.src = resultOf(answer, i);
    image.alt = `sample of seed ${seed + i}`;
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.dataset.seed = seed + i;
    button.append(image);
    tile.append(button);
    tiles.push(tile);
  }
  element("tiles").replaceChildren(...tiles);
  element("command").textContent = answer.command;
  select([]);
}

function select(buttons) {
  selected = buttons;
  for (const button of element("tiles").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(selected.includes(button)));
  }
  element("interpolate").hidden = selected.length !== 2;
  element("download").hidden = selected.length !== 1;
  if (selected.length === 1) {
    element("download").href = selected[0].querySelector("img").src;
    element("download").download = `seed-${selected[0].dataset.seed}.png`;
  }
}

element("tiles").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  select(selected.includes(button)
    ? selected.filter((other) => other !== button) : [...selected, button].slice(-2));
});

element("interpolate").addEventListener("click", async () => {
  const [seed, second] = selected.map((button) => Number(button.dataset.seed));
  try {
    const body = { ...task(), seed, second_seed: second, count: FRAMES };
    const answer = await request("between", `${root}/samples`, post(body), status);
    if (!answer) return;
    const frames = answer.results - 1;
    element("between").hidden = false;
    element("gif").href = resultOf(answer, frames);
    const scrub = element("scrub");
    scrub.max = frames - 1;
    scrub.value = 0;
    scrub.oninput = () => {
      element("frame").src = resultOf(answer, scrub.value);
      element("frame").alt = `image ${Number(scrub.value) + 1} of ${frames} between seeds ${seed} and ${second}`;
    };
    scrub.oninput();
    scrub.focus();
  } catch (error) {
    status(error.message);
  }
});

function turn(pages) {
  const seed = form.elements.seed;
  seed.value = Math.max(0, (Number(seed.value) || 0) + pages * COUNT);
  draw();
}
element("previous").addEventListener("click", () => turn(-1));
element("next").addEventListener("click", () => turn(1));
onInput(form, draw);
draw();
