// Lets the requests of the page be tried. Without it the page can be read all the same.
"use strict";

const token = document.getElementById("token");
const sure = document.getElementById("sure");

/** Return whether the person says yes to a request that changes something. */
function ask(request) {
  document.getElementById("question-request").textContent = request;
  sure.returnValue = "";
  sure.showModal();
  return new Promise((resolve) => {
    sure.addEventListener("close", () => resolve(sure.returnValue === "send"), { once: true });
  });
}

/** Return the address, the headers and the body that a form's fields make. */
function requestOf(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const headers = {};
  let body;
  for (const field of form.querySelectorAll("[data-in]")) {
    const { in: place, name } = field.dataset;
    if (place === "accept") headers.Accept = field.value;
    else if (place === "body") {
      body = field.value;
      headers["Content-Type"] = name;
    }
    else if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(field.value));
    else if (field.value === "") continue;
    else if (place === "query") query.append(name, field.value);
    else if (place === "header") headers[name] = field.value;
  }
  if (token.value !== "") headers.Authorization = `Bearer ${token.value}`;
  const search = query.toString();
  return { url: search ? `${path}?${search}` : path, headers, body };
}

/** Put one more element with a text behind what is shown, and return it. */
function append(parent, name, text, attributes = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

function pretty(text, type) {
  if (!/json/.test(type)) return text;
  try {
    // As it came, where digits would be lost: ids of items have up to nineteen.
    return /\d{16}/.test(text) ? text : JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Show an answer as it comes: a stream event by event, anything else when it is whole. */
async function show(response, shown) {
  append(shown, "p", `${response.status} ${response.statusText}`, { class: "status" });
  const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  append(shown, "pre", lines.join("\n"), { tabindex: "0", "aria-label": "Headers" });
  const body = append(shown, "pre", "", { tabindex: "0", "aria-label": "Body" });
  const type = response.headers.get("Content-Type") || "";
  if (!type.startsWith("text/event-stream")) {
    body.textContent = pretty(await response.text(), type);
    return;
  }
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    body.append(decoder.decode(part.value, { stream: true }));
  }
}

async function send(form) {
  const { verb } = form.dataset;
  const shown = form.parentElement.querySelector(".came");
  const stop = form.querySelector("[data-stop]");
  const button = form.querySelector("[type=submit]");
  const { url, headers, body } = requestOf(form);
  if (verb !== "GET" && !(await ask(`${verb} ${url}`))) return;
  const aborting = new AbortController();
  const abort = () => aborting.abort();
  shown.replaceChildren();
  shown.hidden = false;
  append(shown, "p", `${verb} ${url}`, { class: "sent" });
  button.disabled = true;
  stop.hidden = false;
  stop.addEventListener("click", abort);
  try {
    const options = { method: verb, headers, body, cache: "no-store", signal: aborting.signal };
    await show(await fetch(url, options), shown);
  } catch (error) {
    const reason = error.name === "AbortError" ? "Stopped." : `No answer: ${error.message}`;
    append(shown, "p", reason, { class: "status" });
  } finally {
    stop.removeEventListener("click", abort);
    stop.hidden = true;
    button.disabled = false;
  }
}

for (const form of document.querySelectorAll("form[data-verb]")) {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}
const access = document.getElementById("access");
access.hidden = false;
access.addEventListener("submit", (event) => event.preventDefault());

// A link to what is folded opens it.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
window.addEventListener("hashchange", unfold);
unfold();
