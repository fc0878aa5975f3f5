"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const summary = JSON.parse(byId("summary").textContent);
  const systems = summary.systems;
  const SHOWN_AT_FIRST = 8;

  // colours that stay apart for the colour-blind, at 3:1 and more against their ground
  const LIGHT = { text: "#1b1f24", quiet: "#57606a", grid: "#d9dee4", ground: "#ffffff",
    palette: ["#0072b2", "#c44e00", "#00795c", "#a3407f", "#4d4d4d", "#8a6500", "#5b3fa8"] };
  const DARK = { text: "#e6edf3", quiet: "#9da7b3", grid: "#333b44", ground: "#171c22",
    palette: ["#56b4e9", "#ff9e4a", "#3ddbb0", "#f092cf", "#d0d0d0", "#e6c84b", "#b9a5ff"] };
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const SYMBOLS = ["circle", "square", "diamond", "cross", "star"];
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const coarse = window.matchMedia("(pointer: coarse)");
  let printing = false;
  const theme = () => (dark.matches && !printing ? DARK : LIGHT);
  const colour = (i, of) => of.palette[i % of.palette.length];
  const dash = (i, of) => DASHES[Math.floor(i / of.palette.length) % DASHES.length];

  const loaded = new Map();
  const dataOf = (i) => {
    if (!loaded.has(i)) loaded.set(i, JSON.parse(byId(`data-${i}`).textContent));
    return loaded.get(i);
  };
  const shown = new Set([...systems.keys()].slice(0, SHOWN_AT_FIRST));
  const shownInOrder = () => [...shown].sort((a, b) => a - b);
  const at = (data, keys) => keys.reduce((found, key) => (found == null ? found : found[key]), data);

  /** The error after its value; none where the value never changed but for rounding, so that its error is not known. */
  const plusMinus = (error, value) => (error > 1e-9 * Math.abs(value) ? ` ± ${Number(error.toPrecision(2))}` : "");

  const NAMES = {
    Li: "Li⁺", ether_O: "O (C-O-C)", carbonyl_O: "O (C=O)", amide_O: "O (amide)", ester_O: "O (C=O of the ester)",
    ester_bridging_O: "O (bridging, ester)", anion_N: "N (anion)", anion_O: "O (anion)", amide_H: "H (NH)", anion: "anion",
    anion_com: "anion, centre of mass", chain_com: "chain, centre of mass", chain: "chain", F: "F of the anion",
    hydroxyl_O: "O (hydroxyl)", solvent_O: "O (solvent)", solvent_N: "N (solvent)", oxygen: "all oxygens", chains: "chains", anions: "anions", any: "any acceptor", all: "all",
    anion_contact: "touching an anion", largest_share: "share of the largest domain",
    domains: "number of domains", percolates_xyz: "percolates in x, y and z", total: "all electrons", ions: "ions",
  };
  const said = (key) => NAMES[key] ?? (key.includes("@") ? key.split("@").map(said).join(", ")
    : key.replace(/_only$/, " alone").replace(/^(.+)_molecule$/, "$1, centre of mass").replace(/^(.+)_contact$/, "touching $1")
      .replaceAll("_", " "));
  const pairOf = (key) => {
    const first = ["Li", "amide_H"].find((name) => key.startsWith(`${name}_`));
    return first ? `${said(first)} – ${said(key.slice(first.length + 1))}` : said(key);
  };
  const unitsOf = (key) => {
    const range = key.match(/^(\d+)_(\d+|up)$/);
    if (key === "all") return "all units";
    return range ? `units ${range[1]} ${range[2] === "up" ? "and up" : `to ${range[2]}`}` : said(key);
  };
  /** A pair of groups in S(q), of which the second is a block, the ions or the solvents. */
  const withBlock = (key) => {
    const second = [...summary.blocks, "ions", "solvent"].find((name) => key.endsWith(`_${name}`));
    return second ? `${said(key.slice(0, -second.length - 1))} with ${said(second)}` : said(key);
  };
  /** Choices from the columns of a table that a pattern finds. */
  const choices = (table, pattern, made) => (summary.columns[table] ?? [])
    .filter((column) => !/_error|_spread|_verdict/.test(column))
    .flatMap((column) => { const found = column.match(pattern); return found ? [made(found[1], column)] : []; });

  const TRACES = { density_g_cm3: ["density", "g/cm³"], potential_kJ_mol: ["potential energy", "kJ/mol"],
    temperature_K: ["temperature", "K"], pressure_bar: ["pressure", "bar"] };
  /** Choices of such quantities in every stage that has them. */
  const traced = (...wanted) => Object.keys(summary.columns).filter((table) => table.startsWith("traces-"))
    .flatMap((table) => wanted.filter((y) => summary.columns[table].includes(y)).map((y) => {
      const [[label, unit], isMinimisation] = [TRACES[y], summary.columns[table].includes("step")];
      return { table, y, label: `${table.slice(7)}: ${label}`, yTitle: `${label} (${unit})`,
        x: isMinimisation ? "step" : "time_ps", xTitle: isMinimisation ? "step" : null };
    }));

  /** Plots of columns against a column; a choice names y, its error, right and below axes, and what is dotted. */
  const CURVES = {
    rdf: { table: "structure", x: "r_nm", xTitle: "r (nm)", xRange: [0, 1], choices: () => choices("structure", /^g_(.+)$/, (key, y) => (
      { label: pairOf(key), y, yTitle: "g(r)", fromZero: true, right: `n_${key}`, rightTitle: "n(r)" })) },
    scattering: { table: "morphology", x: "q_per_nm", xTitle: "q (nm⁻¹)", boxLimit: true,
      choices: () => choices("morphology", /^S_(.+)$/, (key, y) => (
        { label: withBlock(key), y, error: `${y}_error`, yTitle: "S(q)" })) },
    domains: { table: "domains", x: "distance_nm", xTitle: "distance of contact (nm)", points: true,
      first: (found) => found.findIndex((choice) => choice.y === "largest_share"),
      choices: () => summary.blocks.flatMap((block) => choices("domains", /^(domains|largest_share|percolates_xyz)$/,
        (key, y) => ({ label: `${block}: ${said(key)}`, y, error: `${y}_error`, dotted: `random_chains_${key}`,
          only: ["block", block], yTitle: said(key) }))) },
    msd: { table: "motion", x: "lag_ps", xTitle: "lag (ps)", xLog: true, choices: () => choices("motion", /^msd_(.+)_nm2$/,
      (key, y) => ({ label: said(key), y, error: `msd_${key}_error_nm2`, below: `alpha_${key}`, belowTitle: "exponent",
        yTitle: "MSD (nm²)", yLog: true, window: key.replace(/_(com|molecule)$/, "") })) },
    charge: { table: "conductivity", x: "lag_ps", xTitle: "lag (ps)", xLog: true, choices: () => [
      ["sigma_apparent_S_m", "apparent conductivity", "σ (S/m)"], ["charge_msd_e2_nm2", "square displacement of charge",
        "(e² nm²)"], ["collective_Li_Li_nm2", "Li⁺ with Li⁺", "(nm²)"], ["collective_anion_anion_nm2", "anion with anion",
        "(nm²)"], ["collective_Li_anion_nm2", "Li⁺ with anion", "(nm²)"]]
      .filter(([y]) => summary.columns.conductivity?.includes(y))
      .map(([y, label, yTitle]) => ({ label, y, yTitle, yLog: !y.endsWith("Li_anion_nm2"),
        below: y.startsWith("charge") ? "alpha_charge" : null, belowTitle: "exponent" })) },
    residence: { table: "mechanism", x: "lag_ps", xTitle: "lag (ps)", xLog: true,
      choices: () => ["correlation", "survival"].flatMap((kind) => choices("mechanism", new RegExp(`^${kind}_(.+)$`),
        (key, y) => ({ label: `${kind}: Li⁺ at ${said(key)}`, y, error: `${y}_error`, yTitle: kind }))) },
    segments: { table: "mechanism", x: "lag_ps", xTitle: "lag (ps)", xLog: true,
      choices: () => [["P2", "P2"], ["P1", "P1"], ["torsion_cos", "torsion, cosine"], ["torsion_state", "torsion, state"]]
        .flatMap(([kind, name]) => choices("mechanism", new RegExp(`^${kind}_(all|\\d+_(?:\\d+|up))$`), (key, y) => (
          { label: `${name}, ${unitsOf(key)}`, y, error: `${y}_error`, yTitle: name })))
        .concat(choices("mechanism", /^(end_to_end)$/, (_, y) => (
          { label: "end-to-end vector", y, error: `${y}_error`, yTitle: "end to end" }))) },
    places: { table: "mechanism", x: "lag_ps", xTitle: "lag (ps)", xLog: true,
      choices: () => choices("mechanism", /^msd_(Li_.+)_nm2$/, (key, y) => (
        { label: said(key.slice(3)), y, error: `${y}_error`, yTitle: "MSD (nm²)", yLog: true })) },
    densities: { xTitle: "time (ps)", equilibration: true, choices: () => traced("density_g_cm3", "pressure_bar"),
      first: (found) => found.findLastIndex((choice) => choice.y === "density_g_cm3") },
    energies: { xTitle: "time (ps)", equilibration: true, choices: () => traced("potential_kJ_mol", "temperature_K"),
      first: (found) => found.findLastIndex((choice) => choice.y === "potential_kJ_mol") },
  };

  // analyses that declare how their table is drawn: each column against the first
  for (const [table, titles] of Object.entries(summary.curves)) {
    const [x, ...columns] = summary.columns[table] ?? [];
    CURVES[table] = { ...titles, table, x, choices: () => columns.filter((y) => !y.endsWith("_error")).map((y) => (
      { label: said(y), y, error: `${y}_error`, yTitle: said(y) })) };
  }

  const stated = (found) => (found && found.value != null ? found : null);
  const entries = (found, name = said) => Object.entries(found ?? {})
    .filter(([, entry]) => stated(entry)).map(([key, entry]) => [name(key), entry]);
  const acceptor = (key) => ({ any: "any", anion: "anion", carbonyl_O: "C=O", amide_O: "C=O amide", ester_O: "C=O ester",
    ester_bridging_O: "C-O-C ester", ether_O: "C-O-C" }[key] ?? said(key));
  /** Bars of scalars; a choice gives [category, {value, error}] of a system's scalars. */
  const BARS = {
    coordination: () => {
      const single = summary.partners.filter((key) => key.includes("@"));
      const kinds = ["ether_O", "hydroxyl_O", "carbonyl_O", "ester_bridging_O", "solvent_O", "solvent_N", "anion", ...single,
        "oxygen", "chains", "solvents", "anions"].filter((key) => summary.partners.includes(key));
      const around = (kind) => ({ ether_O: "C-O-C", carbonyl_O: "C=O", ester_bridging_O: "C-O-C of the ester",
        anion: "anion sites", oxygen: "any oxygen" }[kind] ?? said(kind));
      const statistics = (scalars) => scalars.structure?.shell_statistics;
      return kinds.length === 0 ? [] : [
        { label: "mean number around Li⁺", yTitle: "mean number around Li⁺", order: kinds.map(around), of: (scalars) => kinds.map((kind) => (
          [around(kind), statistics(scalars)?.[kind]?.mean])).filter(([, found]) => stated(found)) },
        ...kinds.map((kind) => ({ label: `how many: ${around(kind)}`, xTitle: `${around(kind)} around one Li⁺`,
          yTitle: "share of Li⁺", of: (scalars) => (statistics(scalars)?.[kind]?.probabilities ?? [])
            .map((found, n) => [String(n), found]) })),
      ];
    },
    ions: () => [
      ...["Li", "anion"].map((ion) => ({ label: `where ${ion === "Li" ? "lithium is" : "anions are"}`,
        yTitle: `share of ${said(ion)}`, order: ["free", "paired", "aggregated"], of: (scalars) => ["free", "paired", "aggregated"]
          .map((state) => [state, scalars.ions?.[ion]?.[state]]).filter(([, found]) => stated(found)) })),
      { label: "clusters by charge", xTitle: "charge (e)", yTitle: "clusters in the box",
        of: (scalars) => entries(scalars.ions?.clusters_by_charge_e, (key) => key)
          .sort((a, b) => Number(a[0]) - Number(b[0])) },
    ],
    hydrogen: () => [["NH_share", "share of NH"], ["bonds_per_NH", "bonds for each NH"],
      ["molecule_share", "share of acceptor molecules"]].map(([key, label]) => ({ label, yTitle: label,
      order: ["any", "anion", "anion_O", "anion_N", "carbonyl_O", "amide_O", "ester_O", "ester_bridging_O", "ether_O"].map(acceptor),
      of: (scalars) => Object.entries(scalars["hydrogen-bonds"]?.acceptors ?? {})
        .filter(([, found]) => stated(found[key])).map(([name, found]) => [acceptor(name), found[key]]) })),
    moves: () => [{ label: "rates", yTitle: "events per Li⁺ and ns", of: (scalars) => Object.entries(
      scalars.mechanism?.moves ?? {}).filter(([, found]) => found && found.high_per_ion_ns != null)
      .map(([name, found]) => [said(name), { value: found.per_ion_ns ?? found.high_per_ion_ns,
        bound: found.per_ion_ns == null, low: found.low_per_ion_ns, high: found.high_per_ion_ns }]) }],
  };

  const axis = (title, of, more = {}) => ({ title: { text: title, standoff: 8 }, gridcolor: of.grid, linecolor: of.quiet,
    zerolinecolor: of.grid, tickcolor: of.quiet, ticks: "outside", automargin: true, showline: true, ...more });
  const logAxis = { type: "log", exponentformat: "power", dtick: 1 };
  const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const tenTo = (power) => `10${[...String(power)].map((c) => (c === "-" ? "⁻" : SUPERSCRIPT[c])).join("")}`;
  /** A logarithmic axis around values, with a few whole numbers as ticks even within one decade. */
  const logAround = (values) => {
    const known = values.filter((value) => value > 0);
    if (!known.length) return logAxis;
    const [low, high] = [Math.min(...known) / 1.35, Math.max(...known) * 1.35];
    const span = high / low, first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
    const leading = span > 1e3 ? [1] : span > 60 ? [1, 3] : span > 8 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
    const ticks = [];
    for (let power = first; power <= last; power++) for (const n of leading) ticks.push([n, power]);
    const kept = ticks.filter(([n, power]) => n * 10 ** power >= low && n * 10 ** power <= high);
    const text = ([n, power]) => (power >= -2 && power <= 2 ? String(Number((n * 10 ** power).toPrecision(2)))
      : n === 1 ? tenTo(power) : `${n}×${tenTo(power)}`);
    return { type: "log", range: [Math.log10(low), Math.log10(high)], tickmode: "array",
      tickvals: kept.map(([n, power]) => Number(`${n}e${power}`)), ticktext: kept.map(text) };
  };
  const layout = (of, more) => ({ paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { color: of.text, family: "system-ui, sans-serif", size: 13 }, margin: { l: 56, r: 16, t: 12, b: 44 },
    hovermode: "closest", hoverlabel: { bgcolor: of.ground, bordercolor: of.quiet, font: { color: of.text } },
    dragmode: coarse.matches ? false : "zoom", autosize: true, ...more });
  const emptied = (made, of, text) => {
    made.layout.annotations = [{ text, showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5,
      font: { color: of.quiet, size: printing ? 9 : 14 } }];
    for (const name of ["xaxis", "yaxis"]) {
      Object.assign(made.layout[name], { showticklabels: false, showgrid: false, showline: false,
        zeroline: false, type: "linear", ticks: "", dtick: null, tickvals: [], title: { text: "" } });
    }
    return made;
  };

  const rowsOf = (table, choice) => {
    const count = Object.values(table)[0]?.length ?? 0;
    const rows = [...Array(count).keys()];
    return choice.only ? rows.filter((row) => table[choice.only[0]]?.[row] === choice.only[1]) : rows;
  };

  const drawCurve = (spec, choice, of) => {
    const [name, xColumn] = [choice.table ?? spec.table, choice.x ?? spec.x];
    const traces = [], shapes = [], bands = [], csv = { columns: ["system", xColumn], rows: [] };
    const wanted = [choice.y, choice.error, choice.right, choice.below, choice.dotted]
      .filter((c) => c && summary.columns[name].includes(c));
    csv.columns.push(...wanted);
    if (choice.window) {
      shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, yref: "y2", y0: 1, y1: 1,
        line: { color: of.quiet, width: 1, dash: "dot" } });
    }
    for (const i of shownInOrder()) {
      const { tables, scalars } = dataOf(i);
      const table = tables[name];
      if (!table?.[choice.y]) continue;
      const rows = rowsOf(table, choice);
      const pick = (column) => rows.map((row) => table[column]?.[row] ?? null);
      csv.rows.push(...rows.map((row) => [systems[i].name, table[xColumn][row], ...wanted.map((c) => table[c]?.[row] ?? null)]));
      const line = { color: colour(i, of), dash: dash(i, of), width: 2 };
      const x = pick(xColumn);
      const made = (column, more, y = pick(column)) => traces.push({ type: "scatter", mode: spec.points ? "lines+markers" : "lines",
        name: systems[i].name, x, y, line, legendgroup: String(i), connectgaps: false,
        hovertemplate: `%{x:.5g}, %{y:.5g}<extra>${systems[i].name}</extra>`, ...more });
      const errors = choice.error && table[choice.error] ? pick(choice.error) : null;
      const from = spec.equilibration ? scalars[name]?.equilibrated?.[choice.y]?.equilibrated_from_ps : null;
      if (from != null && from > x[0]) {
        const split = x.findIndex((time) => time >= from);
        const part = (start, end, more) => made(choice.y, { x: x.slice(start, end), ...more }, pick(choice.y).slice(start, end));
        part(0, split + 1, { opacity: 0.35, showlegend: false });
        part(split, undefined, {});
      } else {
        if (errors) traces.push(band(x, pick(choice.y), errors, choice.yLog, colour(i, of)));
        made(choice.y, { customdata: errors?.map((error, k) => plusMinus(error, pick(choice.y)[k])), hovertemplate: `%{x:.5g}, %{y:.5g}${errors
          ? "%{customdata}" : ""}<extra>${systems[i].name}</extra>` },
        pick(choice.y).map((y) => (choice.yLog && y <= 0 ? null : y)));
      }
      if (from != null) {
        shapes.push({ type: "line", x0: from, x1: from, yref: "paper", y0: 0, y1: 1,
          line: { color: colour(i, of), width: 1, dash: "dot" } });
      }
      if (choice.right && table[choice.right]) {
        made(choice.right, { yaxis: "y2", showlegend: false, line: { ...line, dash: "dash", width: 1.5 } });
      }
      if (choice.below && table[choice.below]) made(choice.below, { yaxis: "y2", showlegend: false });
      if (choice.dotted && table[choice.dotted]) {
        made(choice.dotted, { showlegend: false, line: { ...line, dash: "dot", width: 1.5 } });
      }
      const fit = choice.window ? scalars.motion?.[choice.window] ?? scalars.motion?.molecules?.[choice.window] : null;
      if (fit?.fit_from_ps != null) bands.push([fit.fit_from_ps, fit.fit_to_ps, i]);
      const qMin = spec.boxLimit ? scalars.morphology?.scattering?.q_min_per_nm : null;
      if (qMin) bands.push([0, qMin, i]);
    }
    shapes.push(...(spec.boxLimit ? limits(bands, of) : shaded(bands, of)));
    if (choice.window && traces.length) traces.push(...guides(choice, of));
    const made = { traces, csv, layout: layout(of, {
      xaxis: axis(choice.xTitle ?? spec.xTitle, of, spec.xLog ? logAxis : spec.xRange ? { range: spec.xRange }
        : { rangemode: spec.boxLimit ? "tozero" : "normal" }),
      yaxis: axis(choice.yTitle, of, choice.yLog ? logAxis : choice.fromZero ? { rangemode: "nonnegative" } : {}), shapes }) };
    if (choice.right) {
      made.layout.yaxis2 = axis(choice.rightTitle, of, { overlaying: "y", side: "right", showgrid: false, tickmode: "auto",
        range: [0, highest(traces.filter((t) => t.yaxis === "y2"), 0.6)] });
      made.layout.margin.r = 48;
    }
    if (choice.below) {
      made.layout.yaxis.domain = [0.38, 1];
      made.layout.yaxis2 = axis(choice.belowTitle, of, { domain: [0, 0.3], range: [0, 2] });
      made.layout.xaxis.anchor = "y2";
    }
    return traces.length ? made : emptied(made, of, "no data for these systems");
  };

  /** One standard error to both sides of a curve, as an area. */
  const band = (x, y, errors, isLog, fill) => {
    const known = [...x.keys()].filter((n) => y[n] != null && errors[n] != null && (!isLog || y[n] > 0));
    const low = (n) => (isLog ? Math.max(y[n] - errors[n], y[n] / 10) : y[n] - errors[n]);
    return { type: "scatter", mode: "lines", name: "", x: [...known, ...known.toReversed()].map((n) => x[n]),
      y: [...known.map((n) => y[n] + errors[n]), ...known.toReversed().map(low)], fill: "toself", fillcolor: `${fill}33`,
      line: { width: 0 }, hoverinfo: "skip", showlegend: false };
  };

  /** n(r) grows as r³: the shells within `within` nm are what the axis has to show. */
  const highest = (traces, within) => Math.max(4, ...traces.map((t) => (
    1.15 * Math.max(...t.y.filter((y, n) => y != null && t.x[n] <= within), 0))).map((y) => Math.min(y, 14)));

  /** Shaded ranges of x, each once: in the colour of its system, or grey where several systems share it. */
  const shaded = (bands, of) => {
    const found = new Map();
    for (const [from, to, i] of bands) {
      const key = `${from.toPrecision(3)} ${to.toPrecision(3)}`;
      found.set(key, { from, to, fill: found.has(key) ? of.quiet : colour(i, of) });
    }
    return [...found.values()].map(({ from, to, fill }) => ({ type: "rect", x0: from, x1: to, yref: "paper", y0: 0, y1: 1,
      fillcolor: fill, opacity: 0.14, line: { width: 0 }, layer: "below" }));
  };

  /** What no box shows, and paler what some boxes do not. */
  const limits = (bands, of) => {
    const ends = bands.map(([, to]) => to);
    const area = (x0, x1, opacity) => ({ type: "rect", x0, x1, yref: "paper", y0: 0, y1: 1, fillcolor: of.quiet, opacity,
      line: { width: 0 }, layer: "below" });
    return ends.length ? [area(0, Math.min(...ends), 0.2), area(Math.min(...ends), Math.max(...ends), 0.1)] : [];
  };

  /** A line of slope 1 through the last decade. */
  const guides = (choice, of) => {
    const mains = shownInOrder().map((i) => dataOf(i).tables.motion).filter((table) => table?.[choice.y]);
    const ends = mains.map((table) => [table.lag_ps.at(-1), table[choice.y].at(-1)]).filter(([, y]) => y > 0);
    if (!ends.length) return [];
    const [x, y] = ends.reduce((a, b) => (a[1] > b[1] ? a : b));
    return [{ type: "scatter", mode: "lines", name: "slope 1", x: [x / 20, x], y: [2.5 * y / 20, 2.5 * y],
      line: { color: of.quiet, dash: "dot", width: 1.5 }, hoverinfo: "skip" }];
  };

  const drawBars = (choice, of) => {
    const traces = [], categories = [], csv = { columns: ["system", "category", "value", "error"], rows: [] };
    for (const i of shownInOrder()) {
      const found = choice.of(dataOf(i).scalars);
      if (!found.length) continue;
      for (const [category] of found) if (!categories.includes(category)) categories.push(category);
      const values = found.map(([, entry]) => entry);
      csv.rows.push(...found.map(([category, entry]) => [systems[i].name, category, entry.bound ? null : entry.value,
        entry.error ?? null, ...("low" in entry ? [entry.low, entry.high] : [])]));
      if ("low" in (values[0] ?? {})) csv.columns = ["system", "category", "value", "error", "low", "high"];
      const error = { type: "data", thickness: 1.2, width: 3, color: of.text, visible: true,
        array: values.map((v) => ("high" in v ? (v.bound ? 0 : v.high - v.value) : v.error ?? 0)),
        arrayminus: values.map((v) => ("low" in v ? (v.bound ? 0 : v.value - v.low) : v.error ?? 0)), symmetric: false };
      const bounds = values.some((v) => v.bound);
      traces.push({ type: bounds ? "scatter" : "bar", mode: "markers", name: systems[i].name, error_y: error,
        x: found.map(([category]) => category), y: values.map((v) => v.value),
        marker: { color: colour(i, of), size: 9, symbol: values.map((v) => (v.bound ? "triangle-down-open" : "circle")),
          pattern: bounds ? undefined : { shape: ["", "/", ".", "x"][Math.floor(i / of.palette.length) % 4] } },
        hovertemplate: `%{x}: %{y:.4g}<extra>${systems[i].name}</extra>` });
    }
    const place = (name) => { const found = (choice.order ?? []).indexOf(name); return found < 0 ? categories.length : found; };
    categories.sort((a, b) => place(a) - place(b));
    const made = { traces, csv, layout: layout(of, { barmode: "group", scattermode: "group", bargap: 0.25, scattergap: 0.3, xaxis: axis(choice.xTitle ?? "", of,
      { type: "category", categoryorder: "array", categoryarray: categories, ticks: "" }),
    yaxis: axis(choice.yTitle, of, { rangemode: "nonnegative" }) }) };
    return traces.length ? made : emptied(made, of, "no data for these systems");
  };

  /** How far points reach with their errors. */
  const reaches = (traces) => traces.filter((t) => t.mode === "markers").flatMap((t) => [t.y[0] - (t.error_y?.array[0] ?? 0),
    t.y[0], t.y[0] + (t.error_y?.array[0] ?? 0)]);

  /** Values beside their bounds; a bound is a triangle that points down. */
  const answerTrace = (system, ink, answer, x, where) => {
    const bound = answer.value == null;
    const y = bound ? answer.bound : answer.value;
    const polymers = [...new Set(systems.map((s) => s.group[0]))];
    const symbol = system.starts ? "diamond" : SYMBOLS[polymers.indexOf(system.group[0]) % SYMBOLS.length];
    const says = system.starts ? `${system.name}, ${system.starts.length} starts together` : system.name;
    return { type: "scatter", mode: "markers", name: says, x: [x], y: [y],
      marker: { color: ink, size: system.starts ? 13 : 10, line: { width: 2, color: ink },
        symbol: bound ? "triangle-down-open" : system.in_study || system.starts ? symbol : `${symbol}-open` },
      error_y: bound || !answer.error ? undefined : { type: "data", array: [answer.error], thickness: system.starts ? 2.5 : 1.5,
        width: system.starts ? 7 : 4, color: ink },
      hovertemplate: `${where}: ${bound ? "below " : ""}%{y:.4g}${bound ? "" : plusMinus(answer.error, answer.value)}<extra>${says}</extra>` };
  };

  // plots run along an axis of the sweep, or else have a place for each system
  const { along } = summary;
  const placeOf = (system) => (along ? system[along.key] : system.name);
  const whereOf = (system) => (along?.key === "temperature_K" ? `${system.temperature_K} K`
    : system.eo_li == null ? system.name : `EO:Li ${Number(system.eo_li.toPrecision(4))}`);
  const alongAxis = (of) => {
    if (!along) return axis("", of, { type: "category", showticklabels: systems.length <= 2, ticks: "" });
    const places = [...new Set(systems.map(placeOf).filter((x) => x != null).map((x) => Math.round(x)))];
    return axis(along.title, of, { tickangle: 0, ...(places.length <= 8 ? { tickmode: "array", tickvals: places } : {}) });
  };
  const groupedBy = (items, keyOf) => {
    const groups = new Map();
    for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
    return groups;
  };
  /** Thin lines through the points of each series, by their mean at a place. */
  const seriesLines = (points, of, dashed = "solid") => [...groupedBy(points, ([system]) => JSON.stringify(system.group)).values()]
    .map((series) => {
      const means = [...groupedBy(series, ([system]) => placeOf(system))].map(([x, all]) => (
        [x, all.reduce((sum, [, y]) => sum + y, 0) / all.length])).sort((a, b) => a[0] - b[0]);
      return { type: "scatter", mode: "lines", x: means.map((p) => p[0]), y: means.map((p) => p[1]),
        line: { color: of.quiet, width: 1, dash: dashed }, hoverinfo: "skip", showlegend: false, name: "" };
    });

  /** Pixels that keep labels at these heights apart, on an axis of so many pixels from low to high. */
  const apart = (heights, [low, high], pixels, least) => {
    const placed = heights.map((y, n) => ({ n, at: high > low ? (y - low) / (high - low) * pixels : 0 })).sort((a, b) => a.at - b.at);
    const shifts = [];
    let free = -Infinity;
    for (const { n, at: wanted } of placed) {
      const place = Math.max(wanted, free);
      shifts[n] = place - wanted;
      free = place + least;
    }
    return shifts;
  };

  /** What is resolved of a theme: its quantities along the axis of the sweep, or side by side. */
  const drawKnown = ({ theme, quantities }, of) => {
    const traces = [], ends = [], csv = { columns: ["system", ...(along ? [along.key] : []), "quantity", "value", "error"], rows: [] };
    const order = shownInOrder();
    for (const [number, quantity] of quantities.entries()) {
      const points = order.map((i) => [systems[i], systems[i].known[quantity.name], i])
        .filter(([system, found]) => found && placeOf(system) != null);
      csv.rows.push(...points.map(([system, [value, error]]) => [system.name, ...(along ? [placeOf(system)] : []), quantity.name, value, error]));
      if (!points.length) continue;
      if (along) traces.unshift(...seriesLines(points.map(([system, [value]]) => [system, value]), of, DASHES[number % DASHES.length]));
      for (const [system, [value, error], i] of points) {
        const says = [whereOf(system), quantities.length > 1 ? quantity.label : ""].filter(Boolean).join(", ");
        const aside = (order.indexOf(i) - (order.length - 1) / 2) * Math.min(0.2, 0.7 / order.length);
        traces.push({ ...answerTrace(system, colour(i, of), { value, error }, along ? placeOf(system) : number + aside, says),
          error_y: { type: "data", array: [error], thickness: 1.5, width: 4, color: colour(i, of) } });
      }
      const last = points.reduce((a, b) => (placeOf(b[0]) > placeOf(a[0]) ? b : a));
      ends.push([quantity.label, placeOf(last[0]), last[1][0]]);
    }
    const xaxis = along ? alongAxis(of) : axis("", of, { tickmode: "array", tickvals: [...quantities.keys()], ticks: "",
      ticktext: quantities.map(({ label }) => label), range: [-0.5, quantities.length - 0.5], zeroline: false });
    const packed = theme.remembers && order.some((i) => systems[i].as_packed && quantities.some(({ name }) => systems[i].known[name]));
    const note = packed ? "Lithium still has its first partners: another start may differ by more than these bars." : "";
    const made = { traces, csv, note, layout: layout(of, { xaxis,
      yaxis: axis(theme.axis, of, theme.from_zero ? { rangemode: "tozero" } : {}) }) };
    if (!traces.length) return emptied(made, of, "none of these systems has it");
    if (along && ends.length > 1) {
      const reached = [...reaches(traces), ...(theme.from_zero ? [0] : [])];
      const shifts = apart(ends.map(([, , y]) => y), [Math.min(...reached), Math.max(...reached)], 100, 14);
      made.layout.annotations = ends.map(([text, x, y], n) => ({ text, x, y, xref: "x", yref: "y", showarrow: false,
        xanchor: "left", xshift: 10, yshift: shifts[n], font: { color: of.quiet, size: printing ? 8 : 12 } }));
      made.layout.margin.r = 72;
    }
    return made;
  };

  const drawAnswers = (choice, of) => {
    const { quantity, route } = choice;
    const traces = [], without = new Map(), csv = { columns: ["system", "eo_li_simulated", "value", "error", "upper_bound",
      "verdict"], rows: [] };
    const joined = [];
    const order = shownInOrder();
    const whole = summary.pooled.filter((t) => t.starts.some((i) => order.includes(i)));
    // starts that together have a number need none of their own
    const answered = new Set(whole.filter((t) => t.answers[quantity.key][route].value != null).flatMap((t) => t.starts));
    const drawn = [...order.map((i) => [systems[i], colour(i, of), answered.has(i)]), ...whole.map((t) => [t, of.text, false])];
    for (const [system, ink, isAnswered] of drawn) {
      const answer = system.answers[quantity.key][route];
      csv.rows.push([system.name, system.eo_li, answer.value, answer.error, answer.bound, answer.verdict]);
      if (placeOf(system) == null) continue;
      if (answer.value == null && answer.bound == null) {
        if (isAnswered) continue;
        const why = answer.verdict.replace(/^not resolved: /, "");
        without.set(why, [...(without.get(why) ?? []), system.name]);
        continue;
      }
      traces.push(answerTrace(system, ink, answer, placeOf(system), whereOf(system)));
      if (answer.value != null && !isAnswered) joined.push([system, answer.value]);
    }
    if (along) traces.unshift(...seriesLines(joined, of));
    const note = [...without].map(([why, names]) => `No number: ${names.slice(0, 4).join(", ")}${names.length > 4
      ? ` and ${names.length - 4} more` : ""} (${why})`).join(". ");
    const title = quantity.unit ? `${quantity.symbol} (${quantity.unit})` : quantity.symbol;
    const made = { traces, csv, note, layout: layout(of, { xaxis: alongAxis(of),
      yaxis: axis(title, of, quantity.log ? logAround(reaches(traces)) : { rangemode: "tozero" }) }) };
    return traces.length ? made : emptied(made, of, "not resolved in any of these systems");
  };

  const drawTemperature = (choice, of) => {
    const traces = [], notes = [], csv = { columns: ["system", "temperature_K", "value", "error", "upper_bound"], rows: [] };
    for (const series of choice.series) {
      const members = series.systems.map((name) => systems.findIndex((s) => s.name === name)).filter((i) => shown.has(i));
      if (!members.length) continue;
      for (const i of members) {
        const answer = systems[i].answers[series.quantity][series.route];
        csv.rows.push([systems[i].name, systems[i].temperature_K, answer.value, answer.error, answer.bound]);
        if (answer.value == null && answer.bound == null) continue;
        traces.push(answerTrace(systems[i], colour(i, of), answer, 1000 / systems[i].temperature_K, `${systems[i].temperature_K} K`));
      }
      for (const [name, style] of [["arrhenius", "solid"], ["vtf", "dash"]]) {
        if (!series[name]) continue;
        traces.push({ type: "scatter", mode: "lines", name: name === "vtf" ? "VTF" : "Arrhenius", hoverinfo: "skip",
          x: series[name].map((p) => 1000 / p[0]), y: series[name].map((p) => p[1]), showlegend: false,
          line: { color: colour(members[0], of), width: 1.5, dash: style } });
      }
      notes.push(`${series.systems[0].replace(/-[\d.]+K(?=-)/, "").replace(/-r\d+$/, "")}: ${series.arrhenius_says}. VTF: ${series.vtf_says}.`);
    }
    const made = { traces, csv, note: notes.join(" "), layout: layout(of, { xaxis: axis("1000/T (K⁻¹)", of),
      yaxis: axis(`${choice.quantity.symbol} (${choice.quantity.unit})`, of, logAround(reaches(traces))) }) };
    return traces.length ? made : emptied(made, of, "not resolved at any temperature");
  };

  // the plot D holds D_Li and D_anion
  const answerChoices = (key) => summary.quantities.filter((q) => q.key === key || q.key.startsWith(`${key}_`)).flatMap((quantity) => (
    Object.entries(quantity.routes).map(([route, label]) => ({ quantity, route,
      label: Object.keys(quantity.routes).length > 1 ? label : quantity.symbol }))));
  const temperatureChoices = () => summary.quantities.flatMap((quantity) => Object.entries(quantity.routes)
    .map(([route, label]) => ({ quantity, route, label: `${quantity.symbol}, ${label}`,
      series: summary.temperature.filter((s) => s.quantity === quantity.key && s.route === route) })))
    .filter((choice) => choice.series.length);

  const specOf = (key) => {
    if (key in CURVES) {
      const choices = CURVES[key].choices();
      return { choices, draw: (choice, of) => drawCurve(CURVES[key], choice, of),
        first: Math.max(0, CURVES[key].first?.(choices) ?? 0) };
    }
    if (key in BARS) return { choices: BARS[key](), draw: drawBars };
    const theme = summary.themes.find((found) => found.key === key);
    if (theme) {
      const held = theme.quantities.filter(({ name }) => systems.some((system) => system.known[name]));
      const single = held.map((quantity) => ({ label: quantity.label, theme, quantities: [quantity] }));
      return { choices: held.length > 1 ? [{ label: "all", theme, quantities: held }, ...single] : single, draw: drawKnown };
    }
    if (key === "temperature") return { choices: temperatureChoices(), draw: drawTemperature };
    const spec = { choices: answerChoices(key), draw: drawAnswers };
    const has = (choice, what) => [...summary.pooled, ...systems].some((s) => s.answers[choice.quantity.key][choice.route][what] != null);
    spec.first = ["value", "bound"].map((what) => spec.choices.findIndex((choice) => has(choice, what))).find((n) => n >= 0);
    return spec;
  };

  const download = (name, blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    window.setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const csvText = ({ columns, rows }) => [columns, ...rows].map((row) => row.map((cell) => {
    const text = cell == null ? "" : String(cell);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }).join(",")).join("\n") + "\n";

  // pixels of a plot on paper, two in a row, of an answer three
  const PRINTED = { width: 318, height: 225 };
  const PRINTED_ANSWER = { width: 205, height: 165 };

  class Figure {
    constructor(element) {
      this.element = element;
      this.chart = element.querySelector(".chart");
      this.reading = element.querySelector(".reading");
      this.heading = element.querySelector(".name-of-plot").textContent;
      this.key = element.dataset.plot;
      this.spec = specOf(this.key);
      this.select = element.querySelector("select");
      element.hidden = !this.spec.choices.length;
      this.note = document.createElement("p");
      this.note.className = "note";
      this.reading.after(this.note);
      this.stale = true;
      this.visible = false;
      for (const [n, choice] of this.spec.choices.entries()) this.select.add(new Option(choice.label, n));
      this.select.value = String(this.spec.first ?? 0);
      this.select.closest("label").hidden = this.spec.choices.length < 2;
      this.select.addEventListener("change", () => this.draw());
      for (const button of element.querySelectorAll("button[data-format]")) {
        button.addEventListener("click", () => this.save(button.dataset.format));
      }
      this.chart.addEventListener("keydown", (event) => this.walk(event));
    }

    get stale() { return this.element.dataset.drawn !== "true"; }

    set stale(is) { this.element.dataset.drawn = String(!is); }

    get choice() { return this.spec.choices[Number(this.select.value)]; }

    draw() {
      this.stale = false;
      if (!this.choice) return undefined;
      const of = theme();
      const made = this.spec.draw(this.choice, of);
      this.note.textContent = made.note ?? "";
      this.reading.textContent = "";
      if (printing) {
        const isAnswer = Boolean(this.element.closest(".row"));
        Object.assign(made.layout, { ...(isAnswer ? PRINTED_ANSWER : PRINTED), autosize: false });
        made.layout.font.size = isAnswer ? 8 : 9;
        made.layout.margin = { l: 44, r: this.choice.right ? 36 : 8, t: 8, b: 34 };
      }
      const done = Plotly.react(this.chart, made.traces, made.layout, { displayModeBar: false, responsive: true });
      if (!this.listens) {
        this.listens = true;
        this.chart.on("plotly_hover", (event) => this.say(event.points[0]));
      }
      this.point = null;
      return done;
    }

    refresh() {
      if (this.visible) this.draw();
      else this.stale = true;
    }

    say(point) {
      const error = point.data.customdata?.[point.pointNumber] ?? plusMinus(point.data.error_y?.array?.[point.pointNumber], point.y);
      const number = (x) => (typeof x === "number" ? Number(x.toPrecision(5)).toString() : x);
      this.reading.textContent = `${point.data.name}: ${number(point.x)}, ${number(point.y)}${error}`;
    }

    /** Arrow keys: left and right along a curve, up and down between curves. */
    walk(event) {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      const traces = (this.chart.data ?? []).map((trace, n) => [trace, n]).filter(([trace]) => trace.hoverinfo !== "skip");
      if (!step || !traces.length) return;
      event.preventDefault();
      let [curve, point] = this.point ?? [0, -1];
      curve = (curve + step[0] + traces.length) % traces.length;
      const [trace, number] = traces[curve];
      const present = [...trace.y.keys()].filter((n) => trace.y[n] != null);
      if (!present.length) { this.point = [curve, point]; return; }
      point = Math.min(Math.max(point + step[1], 0), present.length - 1);
      this.point = [curve, point];
      Plotly.Fx.hover(this.chart, [{ curveNumber: number, pointNumber: present[point] }], `x${trace.yaxis ?? "y"}`);
      this.say({ data: trace, pointNumber: present[point], x: trace.x[present[point]], y: trace.y[present[point]] });
    }

    get name() {
      const words = [summary.title, this.key, this.spec.choices.length > 1 ? this.choice.label : ""].filter(Boolean).join(" ");
      return words.normalize("NFKD").replace(/[^A-Za-z0-9=:-]+/g, "-").replace(/[:=]/g, "").replace(/-+$/g, "");
    }

    async save(format) {
      const made = this.spec.draw(this.choice, LIGHT);
      if (format === "csv") {
        download(`${this.name}.csv`, new Blob([csvText(made.csv)], { type: "text/csv" }));
        return;
      }
      Object.assign(made.layout, { showlegend: true, paper_bgcolor: LIGHT.ground, autosize: false,
        title: { text: `${this.heading}${this.spec.choices.length > 1 ? `: ${this.choice.label}` : ""}`, font: { size: 15 } },
        legend: { orientation: "v", x: 1.1, y: 1 } });
      made.layout.margin = { ...made.layout.margin, t: 48 };
      const url = await Plotly.toImage({ data: made.traces, layout: made.layout }, { format, width: 960, height: 560,
        scale: format === "png" ? 2 : 1 });
      const [head, body] = [url.slice(0, url.indexOf(",")), url.slice(url.indexOf(",") + 1)];
      const bytes = head.includes("base64") ? Uint8Array.from(atob(body), (c) => c.charCodeAt(0)) : decodeURIComponent(body);
      download(`${this.name}.${format}`, new Blob([bytes], { type: head.slice(5).split(";")[0] }));
    }
  }

  const figures = [...document.querySelectorAll("figure[data-plot]")].map((element) => new Figure(element));
  const observer = new IntersectionObserver((seen) => {
    for (const entry of seen) {
      const figure = figures.find((f) => f.element === entry.target);
      figure.visible = entry.isIntersecting;
      if (figure.visible && figure.stale) figure.draw();
    }
  }, { rootMargin: "200px" });

  /** A chart fills its card, whose height its neighbours have a say in. */
  const fitted = new ResizeObserver((seen) => {
    if (!printing) for (const { target } of seen) if (target.layout) Plotly.Plots.resize(target);
  });
  for (const figure of figures) fitted.observe(figure.chart);
  // what is jumped to must not end up beneath the bar that sticks
  new ResizeObserver(([{ target }]) => {
    document.documentElement.style.setProperty("--selector", `${target.offsetHeight}px`);
  }).observe(byId("selector"));

  const boxes = [...document.querySelectorAll("input[data-system]")];
  const paintBoxes = () => {
    const of = theme();
    for (const [i, box] of boxes.entries()) {
      box.checked = shown.has(i);
      const { style } = box.nextElementSibling;
      style.borderTopColor = colour(i, of);
      style.borderTopStyle = { solid: "solid", dash: "dashed", dot: "dotted", dashdot: "double" }[dash(i, of)];
    }
    byId("shown").textContent = `${shown.size} of ${systems.length}`;
  };
  const refresh = () => { paintBoxes(); for (const figure of figures) figure.refresh(); };
  for (const [i, box] of boxes.entries()) {
    box.addEventListener("change", () => { if (box.checked) shown.add(i); else shown.delete(i); refresh(); });
  }
  byId("select-all").addEventListener("click", () => { for (const i of systems.keys()) shown.add(i); refresh(); });
  byId("select-none").addEventListener("click", () => { shown.clear(); refresh(); });
  if (window.matchMedia("(max-width: 40rem)").matches) byId("selector").open = false;
  dark.addEventListener("change", refresh);
  /** On paper each group of plots has its own line of names: the bar that sticks is far away. */
  const nameSystems = () => {
    for (const place of document.querySelectorAll(".printed-names")) {
      place.replaceChildren(...shownInOrder().map((i) => {
        const label = document.createElement("span");
        label.append(boxes[i].nextElementSibling.cloneNode(), systems[i].name);
        return label;
      }));
    }
  };
  window.addEventListener("beforeprint", () => {
    printing = true;
    paintBoxes();
    nameSystems();
    for (const f of figures) f.draw();
  });
  window.addEventListener("afterprint", () => { printing = false; for (const f of figures) f.stale = true; refresh(); });

  const filter = byId("verdict-filter");
  filter?.addEventListener("change", () => {
    for (const row of document.querySelectorAll("tr[data-verdict]")) {
      row.hidden = filter.value !== "" && row.dataset.verdict !== filter.value;
    }
    for (const group of document.querySelectorAll(".compared tbody")) {
      group.hidden = !group.querySelector("tr[data-verdict]:not([hidden])");
    }
  });

  /** A box is drawn when it comes into view: most readers of the numbers never get there. */
  const boxed = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      boxed.unobserve(target);
      const select = target.querySelector("select");
      const scene = () => JSON.parse(byId(`scene-${select.value}`).textContent);
      const name = () => select.selectedOptions[0].textContent;
      const viewer = EoliViewer.create(target.querySelector(".viewer"), scene(), { title: name() });
      select.addEventListener("change", () => viewer.show(scene(), name()));
    }
  }, { rootMargin: "100px" });
  for (const structure of document.querySelectorAll(".structure")) boxed.observe(structure);

  paintBoxes();
  for (const figure of figures) observer.observe(figure.element);
  requestAnimationFrame(() => requestAnimationFrame(() => {
    performance.mark("eoli-ready");
    document.documentElement.dataset.ready = "true";
  }));
})();
