// The page of a run: refreshes its parts when a file of the run changed.

import { onChange, refreshParts, say } from "./common.js";

const id = document.querySelector("[data-run]").dataset.run;
let signature;
onChange(async (runs) => {
  if (signature !== undefined && runs[id] !== signature) {
    const before = document.querySelector(".badge").textContent;
    await refreshParts();
    const now = document.querySelector(".badge").textContent;
    if (now !== before) say(`The run is ${now}.`);
  }
  signature = runs[id];
});
