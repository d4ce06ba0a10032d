/// <reference lib="dom" />
/** Points in space: turned, zoomed, coloured, picked. Drawn only when something has changed. */

// @ts-types="npm:@types/three@0.187.0"
import {
  Box3,
  BufferAttribute,
  BufferGeometry,
  Matrix4,
  PerspectiveCamera,
  Points,
  Scene,
  ShaderMaterial,
  Vector3,
  WebGLRenderer,
} from "three";
// @ts-types="npm:@types/three@0.187.0/examples/jsm/controls/OrbitControls.d.ts"
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { h } from "./dom.ts";
import { eyeDome } from "./eye_dome.ts";
import { pick } from "./pick.ts";

/** A view of one cloud at a time. */
export interface SceneView {
  readonly element: HTMLElement;
  /** Shows other points, (N, 3) metres, those above `cut` hidden, from a place from which all are seen. */
  setPoints(positions: Float32Array, colors: Uint8Array, cut: number): void;
  /** Colours the points anew, (N, 3). */
  setColors(colors: Uint8Array): void;
  /** Of the usual size. */
  setPointSize(factor: number): void;
  /** Hides what is above. */
  setCut(z: number): void;
  /** Rings around points: the first is the chosen one. */
  setMarks(points: readonly number[]): void;
  /** Looks at all of them again. */
  resetCamera(): void;
}

const VERTEX = `
uniform float size;
uniform float pixels;
uniform float cut;
attribute vec3 tint;
varying vec3 shade;
void main() {
  vec4 seen = modelViewMatrix * vec4(position, 1.0);
  shade = tint;
  gl_PointSize = clamp(size * pixels / -seen.z, 1.5, 48.0);
  gl_Position = position.z > cut ? vec4(0.0, 0.0, 2.0, 1.0) : projectionMatrix * seen;
}`;
const FRAGMENT = `
varying vec3 shade;
void main() {
  if (length(gl_PointCoord - 0.5) > 0.5) discard;
  gl_FragColor = vec4(shade, 1.0);
}`;

const FIELD = 45;
const PICK_PIXELS = 8;
const CLICK_PIXELS = 4;

/**
 * Makes a view. `onPick` is told the number of a clicked point, `onHover` that of the one under the pointer, or -1.
 *
 * @throws {Error} The browser has no WebGL 2.
 */
export function sceneView(
  onPick: (point: number) => void,
  onHover: (point: number) => void,
): SceneView {
  const canvas = h("canvas", { tabindex: 0, "aria-label": "Point cloud" });
  const marks = h("div", { class: "marks" });
  const element = h("div", { class: "view" }, canvas, marks);
  // Kept, so that the picture can be copied.
  const renderer = new WebGLRenderer({ canvas, alpha: true, preserveDrawingBuffer: true });
  renderer.setPixelRatio(Math.min(2, devicePixelRatio));
  const light = eyeDome(renderer);
  const camera = new PerspectiveCamera(FIELD, 1, 0.01, 1000);
  camera.up.set(0, 0, 1);
  const controls = new OrbitControls(camera, canvas);
  controls.zoomToCursor = true;
  const material = new ShaderMaterial({
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    uniforms: { size: { value: 1 }, pixels: { value: 1 }, cut: { value: Infinity } },
  });
  const points = new Points(new BufferGeometry(), material);
  points.frustumCulled = false;
  const scene = new Scene();
  scene.add(points);

  let positions: Float32Array = new Float32Array();
  let marked: readonly number[] = [];
  let spacing = 1, factor = 1;
  let box = new Box3(), radius = 1;

  const matrix = (): Matrix4 =>
    new Matrix4().multiplyMatrices(camera.projectionMatrix, camera.matrixWorldInverse);
  const placeMarks = (): void => {
    const all = matrix();
    marks.replaceChildren(...marked.flatMap((point, i) => {
      const place = new Vector3().fromArray(positions, 3 * point);
      if (place.z > material.uniforms.cut.value) return [];
      place.applyMatrix4(all);
      if (place.z > 1) return [];
      const left = (place.x + 1) / 2 * canvas.clientWidth;
      const top = (1 - place.y) / 2 * canvas.clientHeight;
      return [h("i", { class: i === 0 ? "chosen" : "", style: `left: ${left}px; top: ${top}px` })];
    }));
  };
  let asked = false;
  const draw = (): void => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      light.render(scene, camera);
      placeMarks();
    });
  };
  const resize = (): void => {
    const { clientWidth: width, clientHeight: height } = element;
    if (width === 0 || height === 0) return;
    renderer.setSize(width, height, false);
    light.setSize(canvas.width, canvas.height);
    camera.aspect = width / height;
    camera.updateProjectionMatrix();
    material.uniforms.pixels.value = height * renderer.getPixelRatio() /
      (2 * Math.tan(FIELD * Math.PI / 360));
    draw();
  };
  new ResizeObserver(resize).observe(element);
  controls.addEventListener("change", draw);

  const pointAt = (event: PointerEvent): number => {
    const box = canvas.getBoundingClientRect();
    camera.updateMatrixWorld();
    return pick(positions, {
      matrix: matrix().elements,
      x: (event.clientX - box.left) / box.width * 2 - 1,
      y: 1 - (event.clientY - box.top) / box.height * 2,
      width: box.width,
      height: box.height,
      radius: PICK_PIXELS,
      cut: material.uniforms.cut.value,
    });
  };
  let pressed: PointerEvent | null = null;
  canvas.addEventListener("pointerdown", (event) => pressed = event);
  canvas.addEventListener("pointerup", (event) => {
    const still = pressed !== null && event.button === 0 &&
      Math.hypot(event.clientX - pressed.clientX, event.clientY - pressed.clientY) < CLICK_PIXELS;
    pressed = null;
    if (!still) return;
    const point = pointAt(event);
    if (point >= 0) onPick(point);
  });
  let hover: PointerEvent | null = null;
  canvas.addEventListener("pointermove", (event) => {
    if (hover === null) {
      requestAnimationFrame(() => {
        if (hover !== null && pressed === null) onHover(pointAt(hover));
        hover = null;
      });
    }
    hover = event;
  });
  canvas.addEventListener("pointerleave", () => {
    hover = null;
    onHover(-1);
  });

  const resetCamera = (): void => {
    const narrow = Math.min(1, camera.aspect);
    const distance = 0.95 * radius / (Math.sin(FIELD * Math.PI / 360) * narrow);
    const center = box.getCenter(new Vector3());
    center.z = meanHeight(positions, material.uniforms.cut.value);
    camera.position.copy(center).add(new Vector3(-0.5, -0.7, 0.75).setLength(distance));
    camera.near = distance / 500;
    camera.far = 20 * distance;
    camera.updateProjectionMatrix();
    controls.target.copy(center);
    controls.update();
    draw();
  };
  const setColors = (colors: Uint8Array): void => {
    points.geometry.setAttribute("tint", new BufferAttribute(colors, 3, true));
    draw();
  };
  const resizePoints = (): void => {
    material.uniforms.size.value = spacing * factor;
    draw();
  };
  return {
    element,
    setColors,
    resetCamera,
    setPoints(next, colors, cut) {
      material.uniforms.cut.value = cut;
      positions = next;
      marked = [];
      points.geometry.dispose();
      points.geometry = new BufferGeometry();
      points.geometry.setAttribute("position", new BufferAttribute(next, 3));
      setColors(colors);
      points.geometry.computeBoundingBox();
      box = points.geometry.boundingBox!;
      const size = box.getSize(new Vector3());
      radius = Math.max(1e-6, size.length() / 2);
      // As if the points lay on the sides of their box: how far apart they are.
      const area = 2 * (size.x * size.y + size.y * size.z + size.z * size.x);
      const apart = 1.5 * Math.sqrt(Math.max(area, 1e-12) / Math.max(1, next.length / 3));
      // Few points stay points rather than discs that hide each other.
      spacing = Math.min(apart, 0.03 * radius);
      resizePoints();
      resetCamera();
    },
    setPointSize(next) {
      factor = next;
      resizePoints();
    },
    setCut(z) {
      material.uniforms.cut.value = z;
      draw();
    },
    setMarks(next) {
      marked = next;
      draw();
    },
  };
}

/** Of what is shown: a pole or a bird does not lift the view. */
function meanHeight(positions: Float32Array, cut: number): number {
  let sum = 0, count = 0;
  for (let i = 2; i < positions.length; i += 3) {
    if (positions[i] > cut) continue;
    sum += positions[i];
    count++;
  }
  return count > 0 ? sum / count : 0;
}
