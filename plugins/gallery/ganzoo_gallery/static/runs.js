// The page of all runs: filter, sort and select cards. They refresh when a run changes.

import { onChange, refreshParts } from "./common.js";

const cards = document.getElementById("cards");
const filter = document.getElementById("filter");
const picked = new Set();

function show() {
  const { text, state, sort } = Object.fromEntries(new FormData(filter));
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [...cards.children];
  let count = 0;
  for (const card of all) {
    const searched = card.dataset.text.toLowerCase();
    const fits = (!state || card.dataset.state === state) && words.every((w) => searched.includes(w));
    card.hidden = !fits;
    count += fits;
    const box = card.querySelector("input");
    if (box) box.checked = picked.has(box.value);
  }
  if (sort) all.sort(byKey(sort));
  if (all.some((card, i) => cards.children[i] !== card)) cards.append(...all);
  cards.classList.toggle("list", filter.elements.list.checked);
  document.getElementById("count").textContent = `${count} of ${all.length} runs`;
  document.getElementById("empty")?.toggleAttribute("hidden", all.length > 0);
  const dock = document.getElementById("dock");
  if (dock) {
    dock.hidden = picked.size < 2;
    document.getElementById("picked").textContent = picked.size;
  }
}

function byKey(key) {
  if (key === "step") return (a, b) => Number(b.dataset.step) - Number(a.dataset.step);
  if (key === "value") return (a, b) => valueOf(a) - valueOf(b);
  return (a, b) => a.dataset[key].localeCompare(b.dataset[key], undefined, { numeric: true });
}

function valueOf(card) {
  return card.dataset.value === "" ? Infinity : Number(card.dataset.value);
}

filter.addEventListener("input", show);
filter.addEventListener("submit", (event) => event.preventDefault());
cards.addEventListener("change", (event) => {
  if (event.target.checked) picked.add(event.target.value);
  else picked.delete(event.target.value);
  show();
});

if ("live" in document.body.dataset) {
  let first = true;
  onChange(async () => {
    if (!first) {
      await refreshParts();
      show();
    }
    first = false;
  });
}
show();
