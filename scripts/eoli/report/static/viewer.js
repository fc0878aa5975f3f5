/* A box of sites in three dimensions: spheres, sticks and the path of one lithium, drawn by WebGL 2 when asked.

   EoliViewer.create(container, scene, {title}) fills an element with canvas and controls and returns
   { show(scene, title), setFrame(i), toggle(name, on), follow(on), turn(x, y), zoom(factor), reset(), draw(),
     savePNG(), dispose(), canvas, status }.
   `scene` is the data of report/scene.py. Lengths are in nm; colours are three numbers from 0 to 1. */
"use strict";

window.EoliViewer = (() => {
  const SIZES = { edge: 0.018, path: 0.025, rest: 0.011, contact: 0.02, followed: 0.14, partner: 0.11 };
  const AROUND = 0.7, THINNER = 0.55; // what is shown around a lithium that is followed, and its radii
  const WIDE_ANGLE = 28, LONG_LENS = 2; // degrees; the second is as good as parallel rays
  const STILL_MS = 180, SLOW_MS = 50, COARSEST = 0.4, MOST_PIXELS = 5e6;
  const FLOATS = 13; // of a body: start, end, radius, colours of its two halves

  /* ---- vectors and rotations (rows of a 3 x 3 matrix) ---- */

  const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
  const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
  const times = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
  const length = (a) => Math.hypot(a[0], a[1], a[2]);
  const mix = (a, b, share) => a.map((x, k) => x + (b[k] - x) * share);
  const nearest = (vector, box) => vector.map((x, k) => x - box[k] * Math.round(x / box[k]));
  const product = (a, b) =>
    [0, 1, 2].map((i) => [0, 1, 2].map((j) => a[i][0] * b[0][j] + a[i][1] * b[1][j] + a[i][2] * b[2][j]));

  function rotation(turn, tilt) {
    const [ct, st, ci, si] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
    return product([[1, 0, 0], [0, ci, -si], [0, si, ci]], [[ct, 0, st], [0, 1, 0], [-st, 0, ct]]);
  }

  const START = rotation((-24 * Math.PI) / 180, (16 * Math.PI) / 180);

  /** "#rrggbb" or "rgb(r, g, b)" as three numbers from 0 to 1. */
  function rgb(colour) {
    if (colour[0] === "#") return [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16) / 255);
    return colour.match(/[\d.]+/g).slice(0, 3).map((x) => x / 255);
  }

  /* ---- the scene ---- */

  /** Group of every site, all bonds, and positions of every frame, from the data of report/scene.py. */
  function decode(scene) {
    const group = [], bonds = [];
    for (const molecule of scene.molecules) {
      for (let n = 0; n < molecule.count; n++) {
        for (const [a, b] of molecule.bonds) bonds.push([group.length + a, group.length + b]);
        group.push(...molecule.groups);
      }
    }
    const frames = scene.frames.map((frame) => {
      const steps = new Uint16Array(Uint8Array.from(atob(frame.positions), (c) => c.charCodeAt(0)).buffer);
      const at = (n) => [0, 1, 2].map((k) => (steps[3 * n + k] / 65536) * frame.box_nm[k]);
      return { ...frame, positions: group.map((_, n) => at(n)) };
    });
    const groups = scene.groups.map((g) => ({ ...g, rgb: rgb(g.colour) }));
    return { groups, group, bonds, frames, lithium: scene.lithium };
  }

  /** Numbers of bodies, one after the other; a body that starts where it ends is a sphere. */
  class Bodies {
    values = [];
    sphere(at, radius, colour) { this.values.push(...at, ...at, radius, ...colour, ...colour); }
    stick(a, b, radius, ofA, ofB) { this.values.push(...a, ...b, radius, ...ofA, ...ofB); }
  }

  function boxEdges(bodies, box, colour) {
    const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => [(n & 1) * box[0], ((n >> 1) & 1) * box[1], (n >> 2) * box[2]]);
    corners.forEach((corner, n) => {
      bodies.sphere(corner, SIZES.edge, colour);
      for (const bit of [1, 2, 4]) if (!(n & bit)) bodies.stick(corner, corners[n | bit], SIZES.edge, colour, colour);
    });
  }

  /** Sites and bonds as balls and sticks. With a `centre` only what is near it, each site at its nearest image. */
  function matter(model, frame, hidden, centre) {
    const bodies = new Bodies(), scale = centre ? THINNER : 1;
    let at = frame.positions;
    const shown = model.group.map((g) => !hidden.has(model.groups[g].name));
    if (centre) {
      at = at.map((p) => add(centre, nearest(minus(p, centre), frame.box_nm)));
      at.forEach((p, n) => { shown[n] &&= length(minus(p, centre)) < AROUND; });
    }
    const style = (n) => model.groups[model.group[n]];
    at.forEach((p, n) => { if (shown[n]) bodies.sphere(p, scale * style(n).sphere_nm, style(n).rgb); });
    for (const [a, b] of model.bonds) {
      // A bond across the boundary would be a line through the whole box.
      if (!shown[a] || !shown[b] || minus(at[b], at[a]).some((x, k) => Math.abs(x) > frame.box_nm[k] / 2)) continue;
      bodies.stick(at[a], at[b], scale * Math.min(style(a).stick_nm, style(b).stick_nm), style(a).rgb, style(b).rgb);
    }
    return bodies;
  }

  const pathColour = (stops, share) => {
    const x = share * (stops.length - 1), k = Math.min(Math.floor(x), stops.length - 2);
    return mix(rgb(stops[k]), rgb(stops[k + 1]), x - k);
  };

  /** The followed lithium, its path until the frame in colours and from there on thin, and what binds it. */
  function highlights(model, index, theme, scale) {
    const bodies = new Bodies(), { lithium } = model, frame = model.frames[index];
    const path = lithium.path_nm, until = lithium.until[index], here = path[until - 1];
    const last = lithium.times_ps.at(-1) || 1;
    // Dark blue would drown in a dark background.
    const paler = theme.dark ? 0.25 : 0;
    const colour = (k) => mix(pathColour(lithium.path_colours, lithium.times_ps[k] / last), theme.ink, paler);
    for (let k = 1; k < path.length; k++) {
      const done = k < until, radius = scale * (done ? SIZES.path : SIZES.rest), of = done ? colour(k) : theme.quiet;
      bodies.stick(path[k - 1], path[k], radius, of, of);
      bodies.sphere(path[k], radius, of);
    }
    const style = (site) => model.groups[model.group[site]];
    for (const site of lithium.partners[index]) {
      const there = add(here, nearest(minus(frame.positions[site], here), frame.box_nm));
      bodies.stick(here, there, scale * SIZES.contact, theme.ink, theme.ink);
      bodies.sphere(there, scale * SIZES.partner, style(site).rgb);
    }
    bodies.sphere(here, scale * SIZES.followed, style(lithium.site).rgb);
    return bodies;
  }

  /** What the frame shows of the lithium, in words. */
  function describe(model, index) {
    const frame = model.frames[index], { lithium } = model;
    if (!lithium) return `${frame.label}: ${model.group.length} sites.`;
    const here = lithium.path_nm[lithium.until[index] - 1];
    const counts = new Map();
    for (const site of lithium.partners[index]) {
      const { label } = model.groups[model.group[site]];
      counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    const found = [...counts].map(([label, n]) => `${n} of ${label}`).join(", ") || "none";
    const moved = length(minus(here, lithium.path_nm[0])).toFixed(2);
    return `${frame.label}: lithium ${lithium.number} of ${lithium.total}, the one that ended farthest from its ` +
      `start, has moved ${moved} nm. Sites that bind it: ${found}.`;
  }

  /* ---- drawing ---- */

  /* Each body is a rectangle towards the viewer, whose fragments find the surface of a sphere or cylinder: exact for
     parallel rays, and near enough for bodies that are small beside their distance. */
  const BODY_VERTEX = `#version 300 es
    precision highp float;
    in vec3 start, end; in float radius; in vec3 first, second;
    uniform mat3 turn; uniform vec3 centre, shift; uniform vec4 lens; uniform float grow;
    out vec3 place; out vec2 across;
    flat out vec3 side, up, facing, ofFirst, ofSecond; flat out vec4 shape;
    void main() {
      vec2 corner = vec2(gl_VertexID & 1, (gl_VertexID >> 1) & 1) * 2.0 - 1.0;
      vec3 a = turn * (start - centre) + shift, b = turn * (end - centre) + shift, axis = b - a;
      float size = length(axis), r = radius + grow, away = -0.5 * (a.z + b.z);
      facing = normalize(-0.5 * (a + b));
      if (size < 1e-6) {
        side = normalize(cross(vec3(0.0, 1.0, 0.0), facing));
        up = cross(facing, side);
        shape = vec4(r, 0.0, 1.0, 0.0);
        place = a + r * (corner.x * side + corner.y * up);
        across = corner;
      } else {
        up = axis / size;
        vec3 normal = cross(up, facing);
        float s = max(length(normal), 0.05), c = dot(up, facing);
        side = normalize(normal + vec3(1e-5, 0.0, 0.0));
        shape = vec4(r, size, s, c);
        float beyond = r * abs(c) / s, along = corner.y > 0.0 ? size + beyond : -beyond;
        place = a + up * along + side * r * corner.x;
        across = vec2(corner.x, along);
      }
      ofFirst = first; ofSecond = second;
      gl_Position = vec4(place.xy * lens.xy, lens.z * place.z + lens.w, -place.z);
    }`;
  const BODY_FRAGMENT = `#version 300 es
    precision highp float;
    in vec3 place; in vec2 across;
    flat in vec3 side, up, facing, ofFirst, ofSecond; flat in vec4 shape;
    uniform vec4 lens, flat_;
    out vec4 colour;
    void main() {
      float r = shape.x, size = shape.y, s = shape.z, c = shape.w;
      bool ball = size == 0.0;
      float root = 1.0 - across.x * across.x - (ball ? across.y * across.y : 0.0);
      if (root < 0.0) discard;
      float h = sqrt(root), along = across.y + r * h * c / s;
      if (!ball && (along < 0.0 || along > size)) discard;
      vec3 normal = across.x * side + (ball ? across.y * up + h * facing : h * (facing - c * up) / s);
      float z = place.z + facing.z * r * h / s;
      gl_FragDepth = 0.5 - 0.5 * (lens.z + lens.w / z);
      vec3 light = normalize(vec3(-0.35, 0.45, 0.82)), halfway = normalize(light + vec3(0.0, 0.0, 1.0));
      vec3 own = ball || along < 0.5 * size ? ofFirst : ofSecond;
      vec3 lit = own * (0.50 + 0.55 * max(dot(normal, light), 0.0)) + 0.22 * pow(max(dot(normal, halfway), 0.0), 40.0);
      colour = vec4(mix(lit, flat_.rgb, flat_.a), 1.0);
    }`;
  const SCREEN_VERTEX = `#version 300 es
    void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0); }`;
  /* Darker where the surroundings are nearer (Luft, Colditz, Deussen 2006, doi 10.1145/1141911.1142016) and along steps
     of depth, paler with depth. */
  const FINISH_FRAGMENT = `#version 300 es
    precision highp float;
    uniform sampler2D colours, depths;
    uniform vec4 lens; uniform vec3 paper; uniform vec2 range;
    uniform float pixels, fade, reach; uniform int rim, samples;
    out vec4 colour;
    ivec2 limit;
    float distanceAt(ivec2 at) {
      float depth = texelFetch(depths, clamp(at, ivec2(0), limit), 0).r;
      return depth == 1.0 ? 1e9 : lens.w / (2.0 * depth - 1.0 + lens.z);
    }
    void main() {
      ivec2 at = ivec2(gl_FragCoord.xy);
      limit = textureSize(depths, 0) - 1;
      float here = distanceAt(at);
      if (here > 1e8) { colour = vec4(paper, 1.0); return; }
      float nm = pixels / here, raised = 0.0, edge = 0.0;
      float turned = 6.2832 * fract(52.9829 * fract(dot(gl_FragCoord.xy, vec2(0.06711, 0.00584))));
      for (int k = 0; k < samples; k++) {
        float angle = turned + 2.39996 * float(k), r = reach * nm * sqrt((float(k) + 0.5) / float(samples));
        raised += clamp(here - distanceAt(at + ivec2(r * vec2(cos(angle), sin(angle)))), -0.4, 1.2);
      }
      for (int k = 0; k < 4; k++) {
        ivec2 beside = (k < 2 ? rim : -rim) * ivec2(k & 1, 1 - (k & 1));
        edge = max(edge, here - distanceAt(at + beside));
      }
      float shadow = exp(-1.3 * clamp(raised / float(samples), 0.0, 1.5)) * (1.0 - 0.4 * clamp(edge / 0.15, 0.0, 1.0));
      vec3 lit = texelFetch(colours, at, 0).rgb * shadow;
      colour = vec4(mix(lit, paper, fade * clamp((here - range.x) / (range.y - range.x), 0.0, 1.0)), 1.0);
    }`;

  function program(gl, vertex, fragment) {
    const made = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(made, shader);
    }
    gl.linkProgram(made);
    if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(gl.getAttachedShaders(made).map((s) => gl.getShaderInfoLog(s)).join("\n"));
    }
    const places = {};
    for (let k = 0; k < gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS); k++) {
      const { name } = gl.getActiveUniform(made, k);
      places[name] = gl.getUniformLocation(made, name);
    }
    return { made, places };
  }

  /** Everything that lives on the graphics card; made anew when the context was lost. */
  function renderer(gl) {
    const body = program(gl, BODY_VERTEX, BODY_FRAGMENT), finish = program(gl, SCREEN_VERTEX, FINISH_FRAGMENT);
    const target = gl.createFramebuffer();
    let textures = [], size = [0, 0];

    function bodyBuffer() {
      const array = gl.createVertexArray(), vertices = gl.createBuffer(), order = gl.createBuffer();
      gl.bindVertexArray(array);
      gl.bindBuffer(gl.ARRAY_BUFFER, vertices);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, order);
      const parts = [["start", 3, 0], ["end", 3, 3], ["radius", 1, 6], ["first", 3, 7], ["second", 3, 10]];
      parts.forEach(([name, n, offset]) => {
        const place = gl.getAttribLocation(body.made, name);
        gl.enableVertexAttribArray(place);
        gl.vertexAttribPointer(place, n, gl.FLOAT, false, 4 * FLOATS, 4 * offset);
      });
      let count = 0;
      return {
        /** Four corners a body: rectangles drawn as instances of one would be slower without a graphics card. */
        fill({ values }) {
          count = values.length / FLOATS;
          const corners = new Float32Array(4 * values.length), triangles = new Uint32Array(6 * count);
          for (let n = 0; n < count; n++) {
            const one = values.slice(n * FLOATS, (n + 1) * FLOATS);
            for (let k = 0; k < 4; k++) corners.set(one, (4 * n + k) * FLOATS);
            triangles.set([0, 1, 2, 2, 1, 3].map((k) => 4 * n + k), 6 * n);
          }
          gl.bindVertexArray(array);
          gl.bindBuffer(gl.ARRAY_BUFFER, vertices);
          gl.bufferData(gl.ARRAY_BUFFER, corners, gl.DYNAMIC_DRAW);
          gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.DYNAMIC_DRAW);
        },
        draw() {
          gl.bindVertexArray(array);
          gl.drawElements(gl.TRIANGLES, 6 * count, gl.UNSIGNED_INT, 0);
        },
      };
    }
    const buffers = { matter: bodyBuffer(), above: bodyBuffer() };

    function resize(width, height) {
      if (size[0] === width && size[1] === height) return;
      size = [width, height];
      textures.forEach((texture) => gl.deleteTexture(texture));
      const kinds = [[gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, gl.COLOR_ATTACHMENT0],
        [gl.DEPTH_COMPONENT24, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT, gl.DEPTH_ATTACHMENT]];
      gl.bindFramebuffer(gl.FRAMEBUFFER, target);
      textures = kinds.map(([inside, format, type, point]) => {
        const texture = gl.createTexture();
        gl.bindTexture(gl.TEXTURE_2D, texture);
        gl.texImage2D(gl.TEXTURE_2D, 0, inside, width, height, 0, format, type, null);
        gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
        gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
        gl.framebufferTexture2D(gl.FRAMEBUFFER, point, gl.TEXTURE_2D, texture, 0);
        return texture;
      });
    }

    /** One picture. `camera`: rotation, centre, shift, lens, range, pixels of 1 nm at distance 1. */
    function draw(width, height, camera, theme, withAbove, haloPixels, rough) {
      resize(width, height);
      gl.viewport(0, 0, width, height);
      gl.enable(gl.DEPTH_TEST);
      const clear = () => {
        gl.clearColor(...theme.paper, 1);
        gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      };
      const bodies = (buffer, grow, flat) => {
        gl.useProgram(body.made);
        gl.uniformMatrix3fv(body.places.turn, true, camera.rotation.flat());
        gl.uniform3fv(body.places.centre, camera.centre);
        gl.uniform3fv(body.places.shift, camera.shift);
        gl.uniform4fv(body.places.lens, camera.lens);
        gl.uniform1f(body.places.grow, grow);
        gl.uniform4fv(body.places.flat_, flat);
        buffer.draw();
      };
      gl.bindFramebuffer(gl.FRAMEBUFFER, target);
      clear();
      bodies(buffers.matter, 0, [0, 0, 0, 0]);

      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
      clear();
      gl.disable(gl.DEPTH_TEST);
      gl.useProgram(finish.made);
      textures.forEach((texture, k) => {
        gl.activeTexture(gl.TEXTURE0 + k);
        gl.bindTexture(gl.TEXTURE_2D, texture);
      });
      gl.uniform1i(finish.places.colours, 0);
      gl.uniform1i(finish.places.depths, 1);
      gl.uniform4fv(finish.places.lens, camera.lens);
      gl.uniform3fv(finish.places.paper, theme.paper);
      gl.uniform2fv(finish.places.range, camera.range);
      gl.uniform1f(finish.places.pixels, camera.pixels);
      gl.uniform1f(finish.places.fade, theme.fade);
      gl.uniform1f(finish.places.reach, 0.45);
      gl.uniform1i(finish.places.rim, Math.max(1, Math.round(haloPixels / 2.5)));
      gl.uniform1i(finish.places.samples, rough ? 5 : 16);
      gl.bindVertexArray(null);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
      if (!withAbove) return;
      // The path lies over whatever is in front of it, with a rim of the background.
      bodies(buffers.above, (haloPixels * camera.distance) / camera.pixels, [...theme.paper, 1]);
      gl.enable(gl.DEPTH_TEST);
      gl.clear(gl.DEPTH_BUFFER_BIT);
      bodies(buffers.above, 0, [0, 0, 0, 0]);
    }
    return { buffers, draw };
  }

  /* ---- the page ---- */

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  let viewers = 0;

  function create(container, firstScene, options = {}) {
    const number = ++viewers, stop = new AbortController(), on = (target, name, action, more = {}) =>
      target.addEventListener(name, action, { signal: stop.signal, ...more });
    const canvas = element("canvas", { tabIndex: 0 });
    const message = element("p", { className: "viewer__message", hidden: true });
    const moments = element("fieldset", { className: "viewer__moments" });
    const shows = element("fieldset"), buttons = element("div", { className: "viewer__buttons" });
    const time = element("div", { className: "viewer__time" });
    const status = element("p", { className: "viewer__status" });
    const hint = element("p", {
      className: "viewer__hint", id: `viewer-hint-${number}`,
      textContent: "Drag or arrow keys turn, Shift and drag moves, + and − or the wheel (after a click) zoom, " +
        "0 resets; with two fingers pinch and move.",
    });
    status.setAttribute("aria-live", "polite");
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-roledescription", "3D view");
    canvas.setAttribute("aria-describedby", hint.id);
    container.classList.add("viewer");
    container.replaceChildren(
      element("div", { className: "viewer__controls" }, moments, buttons),
      element("div", { className: "viewer__stage" }, canvas, message),
      element("div", { className: "viewer__controls" }, shows, time), status, hint,
    );

    const gl = canvas.getContext("webgl2", { antialias: false, alpha: false, preserveDrawingBuffer: true });
    let model, title, index, following, pathOn, longLens, rotated, zoomed, moved, stale, theme;
    let card = null, pending = 0, moving = false, quietTimer = 0, speed = 1, pictures = 0;
    const hidden = new Set();

    /* -- state -- */

    function show(scene, name = "") {
      model = decode(scene);
      title = name;
      index = model.frames.length - 1;
      following = false;
      longLens = false;
      pathOn = Boolean(model.lithium);
      hidden.clear();
      canvas.setAttribute("aria-label", `3D view of ${title || "the box"}`);
      buildControls();
      reset();
      update();
      request(true); // a draft first, as in motion
    }

    /** After a change of what is drawn, not of the camera. */
    function update() {
      status.textContent = describe(model, index);
      stale = true;
      request();
    }

    const here = () => model.lithium.path_nm[model.lithium.until[index] - 1];

    function reset() {
      [rotated, zoomed, moved] = [START, 1, [0, 0]];
      request();
    }

    function turn(x, y) { rotated = product(rotation(x, y), rotated); request(true); }
    function zoom(factor) { zoomed = Math.min(40, Math.max(0.3, zoomed * factor)); request(true); }
    function move(x, y) { moved = [moved[0] + x, moved[1] + y]; request(true); }
    function setFrame(k) { index = k; moments.querySelectorAll("input")[k].checked = true; update(); }
    function follow(yes) {
      following = yes && Boolean(model.lithium);
      [zoomed, moved] = [1, [0, 0]];
      setBox("follow", following);
      shows.querySelector('input[value="box"]').disabled = following;
      update();
    }
    function toggle(name, yes) {
      if (name === "path") pathOn = yes && Boolean(model.lithium);
      else if (name === "follow") return follow(yes);
      else if (name === "parallel") longLens = yes;
      else if (yes) hidden.delete(name);
      else hidden.add(name);
      setBox(name, yes);
      update();
    }

    /* -- controls -- */

    function setBox(name, yes) {
      const box = shows.querySelector(`input[value="${name}"]`);
      if (box) box.checked = yes;
    }

    function checkbox(name, label, checked, colour) {
      const input = element("input", { type: "checkbox", value: name, checked });
      on(input, "change", () => toggle(name, input.checked));
      const swatch = colour ? [element("span", { className: "viewer__swatch" })] : [];
      swatch.forEach((dot) => { dot.style.background = colour; });
      return element("label", {}, input, ...swatch, label);
    }

    function buildControls() {
      moments.replaceChildren(element("legend", { textContent: "Moment" }), ...model.frames.map((frame, k) => {
        const name = `viewer-moment-${number}`, checked = k === index;
        const input = element("input", { type: "radio", name, value: String(k), checked });
        on(input, "change", () => setFrame(k));
        return element("label", {}, input, frame.label);
      }));
      shows.replaceChildren(
        element("legend", { textContent: "Shown" }),
        ...model.groups.map((g) => checkbox(g.name, g.label, true, g.colour)),
        checkbox("box", "box", true),
        ...(model.lithium ? [
          checkbox("path", `path of lithium ${model.lithium.number}`, true),
          checkbox("follow", "follow the lithium", false),
        ] : []),
        checkbox("parallel", "no perspective", false),
      );
      time.replaceChildren();
      if (model.lithium) {
        const ramp = element("span", { className: "viewer__ramp" }), last = model.lithium.times_ps.at(-1);
        ramp.style.background = `linear-gradient(to right, ${model.lithium.path_colours.join(", ")})`;
        const [shown, unit] = last >= 1000 ? [last / 1000, "ns"] : [last, "ps"];
        time.append("path: 0", ramp, `${Number(shown.toPrecision(4))} ${unit}`);
      }
    }

    for (const [text, label, action] of [
      ["−", "Zoom out", () => zoom(1 / 1.25)], ["+", "Zoom in", () => zoom(1.25)],
      ["Reset", "Reset the view", reset], ["Save PNG", "Save the picture as PNG", () => savePNG()],
    ]) {
      const button = element("button", { type: "button", textContent: text, title: label });
      if (text.length === 1) button.setAttribute("aria-label", label);
      on(button, "click", action);
      buttons.append(button);
    }

    /* -- drawing -- */

    function readTheme() {
      const { backgroundColor, color } = getComputedStyle(canvas);
      const paper = rgb(backgroundColor), ink = rgb(color), dark = paper[1] < 0.5;
      const [quiet, edge, fade] = [mix(ink, paper, 0.45), mix(ink, paper, 0.2), dark ? 0.66 : 0.7];
      const found = { paper, ink, dark, quiet, edge, fade };
      if (JSON.stringify(found) !== JSON.stringify(theme)) [theme, stale] = [found, true];
    }

    function camera(width, height) {
      const frame = model.frames[index], centre = following ? here() : times(frame.box_nm, 0.5);
      const around = following ? AROUND : length(model.frames[0].box_nm) / 2;
      const half = 0.95 * around / Math.min(1, width / height);
      const distance = (0.95 * around) / Math.tan(((longLens ? LONG_LENS : WIDE_ANGLE) * Math.PI) / 360);
      const farthest = [frame.box_nm, ...(model.lithium?.path_nm ?? [])].map((p) => length(minus(p, centre)));
      const reach = Math.max(...farthest) + 0.3;
      const near = Math.max(distance - reach, 0.05 * distance), far = distance + reach;
      const fy = (distance / half) * zoomed;
      return {
        rotation: rotated, centre, shift: [...moved, -distance], distance,
        lens: [(fy * height) / width, fy, (near + far) / (near - far), (2 * near * far) / (near - far)],
        range: [distance - 0.6 * around, distance + around], pixels: (fy * height) / 2,
      };
    }

    /** Gives the canvas its pixels: twice as fine as the screen when still, coarser in motion that would lag. */
    function fit() {
      const { clientWidth, clientHeight } = canvas, screen = window.devicePixelRatio || 1;
      const most = Math.sqrt(MOST_PIXELS / Math.max(1, clientWidth * clientHeight));
      const ratio = Math.min(moving ? Math.min(screen, 2) * speed : Math.max(2 * speed, screen), most);
      const [width, height] = [clientWidth, clientHeight].map((x) => Math.max(1, Math.round(x * ratio)));
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      return ratio;
    }

    function draw() {
      cancelAnimationFrame(pending);
      pending = 0;
      if (!gl || !card || gl.isContextLost() || !canvas.clientWidth) return;
      readTheme();
      if (stale) {
        const bodies = matter(model, model.frames[index], hidden, following ? here() : null);
        if (!following && !hidden.has("box")) boxEdges(bodies, model.frames[index].box_nm, theme.edge);
        card.buffers.matter.fill(bodies);
        if (pathOn) card.buffers.above.fill(highlights(model, index, theme, following ? 1.2 * THINNER : 1));
        stale = false;
      }
      const ratio = fit();
      const begun = performance.now();
      const { width, height } = canvas, halo = Math.max(1, 2.2 * ratio);
      card.draw(width, height, camera(width, height), theme, pathOn, halo, moving);
      pictures += 1;
      if (!moving) return;
      // Reading waits until the picture is there.
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
      const took = performance.now() - begun;
      speed = Math.min(1, Math.max(COARSEST, speed * (took > SLOW_MS ? 0.8 : took < 0.4 * SLOW_MS ? 1.1 : 1)));
      clearTimeout(quietTimer);
      quietTimer = setTimeout(() => { moving = false; request(); }, STILL_MS + 4 * took);
    }

    /** Draw before the next repaint; `inMotion` when more is to be expected soon. */
    function request(inMotion = false) {
      moving ||= inMotion;
      if (!pending) pending = requestAnimationFrame(draw);
    }

    function savePNG() {
      [moving, speed] = [false, 1];
      draw();
      canvas.toBlob((blob) => {
        const name = `${title || "box"}-${model.frames[index].label}.png`.replace(/[^\w.+-]+/g, "-");
        const link = element("a", { href: URL.createObjectURL(blob), download: name });
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      });
    }

    /* -- pointers, wheel, keys -- */

    const pointers = new Map();
    on(canvas, "pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    on(canvas, "pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const now = [event.clientX, event.clientY], [x, y] = [now[0] - before[0], now[1] - before[1]];
      const view = camera(canvas.clientWidth, canvas.clientHeight), nm = view.distance / view.pixels;
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      pointers.set(event.pointerId, now);
      if (other) {
        const apart = (point) => Math.max(10, Math.hypot(point[0] - other[0], point[1] - other[1]));
        zoom(apart(now) / apart(before));
        move((x / 2) * nm, (-y / 2) * nm);
      } else if (event.shiftKey) move(x * nm, -y * nm);
      else {
        const full = Math.PI / Math.min(canvas.clientWidth, canvas.clientHeight);
        turn(x * full, y * full);
      }
    });
    for (const name of ["pointerup", "pointercancel"]) on(canvas, name, (event) => pointers.delete(event.pointerId));
    // Without focus the wheel scrolls the page.
    on(canvas, "wheel", (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)));
    }, { passive: false });
    const keys = {
      ArrowLeft: () => turn(-0.1, 0), ArrowRight: () => turn(0.1, 0),
      ArrowUp: () => turn(0, -0.1), ArrowDown: () => turn(0, 0.1),
      "+": () => zoom(1.12), "=": () => zoom(1.12), "-": () => zoom(1 / 1.12), 0: reset, Home: reset,
    };
    on(canvas, "keydown", (event) => {
      if (!keys[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      keys[event.key]();
    });

    /* -- what happens around it -- */

    function say(text) { message.textContent = text; message.hidden = !text; }

    const sizes = new ResizeObserver(() => request());
    on(canvas, "webglcontextlost", (event) => {
      event.preventDefault();
      card = null;
      say("The graphics card is busy; the view comes back by itself.");
    });
    on(canvas, "webglcontextrestored", () => {
      [card, stale] = [renderer(gl), true];
      say("");
      request();
    });
    on(matchMedia("(prefers-color-scheme: dark)"), "change", () => request());
    on(window, "beforeprint", () => draw());

    if (gl) card = renderer(gl);
    else say("This browser has no WebGL 2, which the 3D view needs. The pictures and structure files show the same.");
    show(firstScene, options.title);
    sizes.observe(canvas);

    function dispose() {
      stop.abort();
      sizes.disconnect();
      clearTimeout(quietTimer);
      cancelAnimationFrame(pending);
      card = null;
      gl?.getExtension("WEBGL_lose_context")?.loseContext();
      container.replaceChildren();
    }

    return {
      show, setFrame, toggle, follow, turn, zoom, reset, draw, savePNG, dispose, canvas, status,
      get pictures() { return pictures; },
    };
  }

  return { create };
})();
