// The page of a section: a photograph, controls, and the images that the plugin draws.

import { root, send } from "./common.js";
import { changedOptions, onInput, request, resultOf } from "./jobs.js";

const element = (id) => document.getElementById(id);
const page = document.querySelector("[data-section]");
const form = element("controls");
const status = (text) => { element("status").textContent = text; };
let photo = null;

async function draw() {
  if ("photo" in page.dataset && photo === null) {
    status("Choose a photograph.");
    return;
  }
  try {
    const body = { model: form.elements.model.value, photo, options: changedOptions(form) };
    const answer = await request("section", `${root}/sections/${page.dataset.section}`, {
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    }, status);
    if (answer) await show(answer);
  } catch (error) {
    status(error.message);
  }
}

async function show(answer) {
  const count = answer.results - 1;
  const captions = await (await fetch(resultOf(answer, count))).json();
  let first = 0;
  if ("compares" in page.dataset && count >= 2) {
    for (const [i, id] of ["before", "after"].entries()) {
      element(id).src = resultOf(answer, i);
      element(id).alt = captions[i];
    }
    element("captions").textContent = `left: ${captions[0]}; right: ${captions[1]}`;
    element("wipe").hidden = false;
    element("download").href = resultOf(answer, 1);
    element("download").hidden = false;
    first = 2;
  }
  element("images").replaceChildren(...captions.slice(first).map((caption, i) => {
    const figure = document.createElement("figure");
    const image = document.createElement("img");
    const text = document.createElement("figcaption");
    image.src = resultOf(answer, first + i);
    image.alt = caption;
    text.textContent = caption;
    text.className = "soft";
    figure.append(image, text);
    return figure;
  }));
}

function wipe() {
  element("after").style.setProperty("clip-path", `inset(0 0 0 ${element("edge").value}%)`);
}

async function upload(content) {
  try {
    status("Reading the photograph…");
    photo = (await (await send(`${root}/photos`, { body: content })).json()).photo;
    await draw();
  } catch (error) {
    status(error.message);
  }
}

function setUpPhotographs() {
  const video = element("video");
  element("file").addEventListener("change", (event) => {
    event.stopPropagation();
    if (event.target.files[0]) upload(event.target.files[0]);
  });
  element("drop").addEventListener("dragover", (event) => event.preventDefault());
  element("drop").addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) upload(event.dataTransfer.files[0]);
  });
  element("camera").addEventListener("click", async () => {
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
      await video.play();
      video.hidden = false;
      element("take").hidden = false;
    } catch {
      status("There is no camera, or the browser does not allow it.");
    }
  });
  element("take").addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d").drawImage(video, 0, 0);
    for (const track of video.srcObject.getTracks()) track.stop();
    video.hidden = true;
    element("take").hidden = true;
    canvas.toBlob(upload, "image/jpeg", 0.95);
  });
  element("forget").addEventListener("click", async () => {
    await send(`${root}/photos`, { method: "DELETE" });
    photo = null;
    element("file").value = "";
    element("wipe").hidden = true;
    element("download").hidden = true;
    element("images").replaceChildren();
    status("All photographs are forgotten.");
  });
}

if (page) {
  if ("photo" in page.dataset) setUpPhotographs();
  element("edge").addEventListener("input", wipe);
  wipe();
  onInput(form, draw);
  draw();
}
