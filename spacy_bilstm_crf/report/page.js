"use strict";

const form = document.getElementById("filter");
const list = document.getElementById("list");
const articles = [...list.children];
const texts = new Map();

function split(text) {
  return text ? text.split(" ") : [];
}

function matches(article, wanted) {
  const kinds = split(article.dataset.kinds);
  if (wanted.kind === "any" && !kinds.length) return false;
  if (wanted.kind === "none" && kinds.length) return false;
  if (!["", "any", "none"].includes(wanted.kind) && !kinds.includes(wanted.kind)) return false;
  if (wanted.sort && !split(article.dataset.sorts).includes(wanted.sort)) return false;
  if (wanted.label && !JSON.parse(article.dataset.labels).includes(wanted.label)) return false;
  return texts.get(article).includes(wanted.text.toLowerCase());
}

function filter() {
  const wanted = Object.fromEntries(new FormData(form));
  let shown = 0;
  for (const article of articles) {
    article.hidden = !matches(article, wanted);
    shown += !article.hidden;
  }
  const order = wanted.order;
  articles.sort((a, b) => a.dataset[order] - b.dataset[order]);
  list.append(...articles);
  document.getElementById("number-shown").textContent =
    `${shown} of ${articles.length} shown`;
}

function showSort(name) {
  form.reset();
  form.elements.sort.value = name;
  filter();
  document.getElementById("sentences").scrollIntoView();
}

function openTarget() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

for (const article of articles) {
  const text = article.querySelector(".entities").cloneNode(true);
  for (const label of text.querySelectorAll("b, i")) label.remove();
  texts.set(article, text.textContent.toLowerCase());
}
form.addEventListener("input", filter);
form.addEventListener("reset", () => setTimeout(filter));
form.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("click", (event) => {
  const name = event.target.dataset?.sort;
  if (name) showSort(name);
});
window.addEventListener("hashchange", openTarget);
openTarget();
filter();

for (const source of document.querySelectorAll("script[data-chart]")) {
  const figure = document.getElementById(source.dataset.chart);
  // An interpreter: the page lets nobody make code of text.
  const options = { actions: false, ast: true, renderer: "svg" };
  vegaEmbed(figure, JSON.parse(source.textContent), options).then(({ view }) => {
    // Cells of the chart of confusions have the name of the sort.
    view.addEventListener("click", (event, item) => {
      if (item?.datum?.sort) showSort(item.datum.sort);
    });
  });
}
