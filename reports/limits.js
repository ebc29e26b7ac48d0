"use strict";
(() => {
  const data = JSON.parse(document.getElementById("limits-data").textContent);
  const section = document.getElementById("limits");
  const rows = [...section.querySelector("table").tBodies[0].rows];
  const panel = section.querySelector(".limits");
  const inputs = [...panel.querySelectorAll("input")];
  const marks = rows.map((row) => {
    const mark = document.createElement("span");
    mark.className = "note perhaps";
    row.cells[0].append(mark);
    return mark;
  });

  // As nas-moo choose reads a limit: it is kept where the upper end of the interval keeps it.
  function standing(model, limits) {
    let found = "meets";
    for (const { column, stop } of limits) {
      if (model.low[column] > stop.value) return "fails";
      if (model.high[column] > stop.value) found = "perhaps";
    }
    return found;
  }

  function lowest(models, limits) {
    const column = data.labels.findIndex((_, i) => !limits.some((limit) => limit.column === i));
    if (column < 0 || !models.length) return "";
    const best = models.reduce((a, b) => (b.value[column] < a.value[column] ? b : a));
    return `Lowest ${data.labels[column]} among them: ${best.text[column]}, of ${best.id}.`;
  }

  function counted(meets, perhaps, limits) {
    const all = data.models.length;
    if (!limits.length) return all === 1 ? "No limit is set." : `No limit is set: all ${all} models are shown.`;
    const told = `${meets} of ${all} models ${meets === 1 ? "meets" : "meet"} ${limits.length === 1 ? "this limit" : "these limits"}`;
    return perhaps ? `${told}; ${perhaps} more perhaps, since a limit lies inside their intervals.` : `${told}.`;
  }

  function update() {
    const limits = [];
    inputs.forEach((input, i) => {
      const { column, stops } = data.sliders[i];
      const stop = stops[Number(input.value)];
      const text = stop ? stop.text : "no limit";
      input.setAttribute("aria-valuetext", stop ? `at most ${text}` : text);
      input.nextElementSibling.textContent = text;
      if (stop) limits.push({ column, stop });
    });
    const standings = data.models.map((model) => standing(model, limits));
    standings.forEach((found, i) => {
      rows[i].dataset.standing = found;
      marks[i].textContent = found === "perhaps" ? "perhaps" : "";
    });
    const met = data.models.filter((_, i) => standings[i] === "meets");
    const perhaps = standings.filter((found) => found === "perhaps").length;
    panel.querySelector(".count").textContent = counted(met.length, perhaps, limits);
    panel.querySelector(".lowest").textContent = limits.length ? lowest(met, limits) : "";
    const command = [data.command, ...limits.map(({ stop }) => `--max ${stop.argument}`)];
    const code = panel.querySelector("code"); // a replay has no command
    if (code) code.textContent = command.join(" ");
  }

  inputs.forEach((input) => input.addEventListener("input", update));
  panel.querySelector("button").addEventListener("click", () => {
    inputs.forEach((input) => { input.value = input.max; });
    update();
  });
  panel.hidden = false;
  update();
})();
