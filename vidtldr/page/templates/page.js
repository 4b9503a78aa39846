"use strict";

// Tables: a click on a heading sorts by it, a second one the other way round.
const number = (text) => parseFloat(text.replaceAll(",", "").replace("−", "-"));

function compare(a, b) {
  const [x, y] = [number(a), number(b)];
  if (isNaN(x) && isNaN(y)) return a.localeCompare(b);
  if (isNaN(x) || isNaN(y)) return isNaN(x) ? 1 : -1; // what is not known stands last
  return x - y;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.firstElementChild.addEventListener("click", () => {
      const order = heading.ariaSort === "ascending" ? "descending" : "ascending";
      headings.forEach((each) => each.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", order);
      const text = (row) => row.cells[column].textContent;
      const sign = order === "ascending" ? 1 : -1;
      const rows = [...table.tBodies[0].rows].sort((a, b) => sign * compare(text(a), text(b)));
      table.tBodies[0].append(...rows);
    });
  });
}

// Flips: the cases of the chosen pair that hold the filter's words, the lost ones first.
const AT_ONCE = 40;

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function picture(method, files) {
  const figure = element("figure", "", element("figcaption", "", method));
  if (files.png) {
    const image = element("img");
    image.src = files.png;
    image.alt = `frames and merged tokens under ${method}`;
    image.loading = "lazy";
    figure.append(image);
  }
  if (files.mp4) {
    const link = element("a", "", "play");
    link.href = files.mp4;
    figure.firstChild.append(" · ", link);
  }
  return figure;
}

function card(each, pair, methods, pictures) {
  const lost = each.correct[pair[1]];
  const said = pair.flatMap((index) => [
    element("dt", "", methods[index]),
    element("dd", "", `${each.correct[index] ? "✓" : "✗"} ${each.said[index]}`),
  ]);
  const what = element("p", "what", element("b", "", lost ? "lost" : "gained"));
  const about = each.question && each.truth !== each.video ? each.video : "";
  what.append([each.kind, about].filter(Boolean).map((text) => ` · ${text}`).join(""));
  const truth = [element("dt", "", "truth"), element("dd", "", each.truth)];
  const made = element("article", `case ${lost ? "lost" : "gained"}`, what);
  made.append(element("p", "question", each.question || each.video), element("dl", "", ...truth, ...said));
  const files = pictures[each.video];
  if (files) {
    const shown = [...new Set(["base", ...pair.map((index) => methods[index])])].filter((name) => files[name]);
    made.append(element("div", "pictures", ...shown.map((name) => picture(name, files[name]))));
  }
  return made;
}

for (const section of document.querySelectorAll(".flips")) {
  const form = section.querySelector("form");
  if (!form) continue;
  const { methods, cases, pictures } = JSON.parse(section.querySelector("script").textContent);
  const list = section.querySelector(".cases");
  const more = section.querySelector(".more");
  const texts = cases.map((each) =>
    [each.kind, each.question, each.video, each.truth, ...each.said].join("\n").toLowerCase());
  let found = [];

  function showMore() {
    const pair = [methods.indexOf(form.method.value), methods.indexOf(form.against.value)];
    const next = found.slice(list.children.length, list.children.length + AT_ONCE);
    list.append(...next.map((each) => card(each, pair, methods, pictures)));
    more.hidden = list.children.length === found.length;
  }

  function update() {
    const [method, against] = [form.method.value, form.against.value];
    const [first, second] = [methods.indexOf(method), methods.indexOf(against)];
    for (const body of section.querySelectorAll("tbody")) {
      body.hidden = body.dataset.method !== method || body.dataset.against !== against;
    }
    const words = form.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const holds = (each, index) => words.every((word) => texts[index].includes(word));
    const flipped = cases.filter((each, index) => each.correct[first] !== each.correct[second] && holds(each, index));
    const lost = flipped.filter((each) => each.correct[second]);
    const gained = flipped.filter((each) => each.correct[first]);
    const pictured = (each) => (pictures[each.video] ? 0 : 1); // those with pictures before the others
    found = [lost, gained].flatMap((part) => part.sort((a, b) => pictured(a) - pictured(b)));
    section.querySelector(".count").textContent =
      first === second ? "Choose two different methods." : `${lost.length} lost, ${gained.length} gained`;
    list.replaceChildren();
    showMore();
  }

  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", showMore);
  update();
}
