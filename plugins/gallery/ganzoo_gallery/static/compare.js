// The comparison: refreshes its parts when one of its runs changed.

import { onChange, refreshParts } from "./common.js";

const ids = [...document.querySelectorAll("[data-run]")].map((row) => row.dataset.run);
let before;
onChange((runs) => {
  const now = ids.map((id) => runs[id]).join();
  if (before !== undefined && now !== before) refreshParts();
  before = now;
});
