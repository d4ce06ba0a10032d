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
import { h } from "../dom.ts";
import { eyeDome } from "./eye_dome.ts";
import { pick } from "./pick.ts";

/** A view of one cloud at a time. */
export interface SceneView {
  readonly element: HTMLElement;
  /**
   * Shows other points, (N, 3) metres, those above `cut` hidden, from a place from which all are
   * seen.
   */
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
 * Makes a view. `onPick` is told the number of a clicked point, `onHover` that of the one under the
 * pointer, or -1.
 *
 * @throws {Error} The browser has no WebGL 2.
 */
export function sceneView(
  onPick: (point: number) => void,
  onHover: (point: number) => void,
): SceneView {
  const view = new PointsView();
  listenForPoints(view.canvas, (event) => view.pointAt(event), onPick, onHover);
  return view;
}

/** Tells of clicks, and of the point under the pointer once a frame. */
function listenForPoints(
  canvas: HTMLCanvasElement,
  pointAt: (event: PointerEvent) => number,
  onPick: (point: number) => void,
  onHover: (point: number) => void,
): void {
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
}

class PointsView implements SceneView {
  readonly canvas = h("canvas", { tabindex: 0, "aria-label": "Point cloud" });
  readonly element: HTMLElement;
  readonly #rings = h("div", { class: "marks" });
  // Kept, so that the picture can be copied.
  readonly #renderer = new WebGLRenderer({
    canvas: this.canvas,
    alpha: true,
    preserveDrawingBuffer: true,
  });
  readonly #light: ReturnType<typeof eyeDome>;
  readonly #camera = new PerspectiveCamera(FIELD, 1, 0.01, 1000);
  readonly #controls: OrbitControls;
  readonly #material = new ShaderMaterial({
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    uniforms: { size: { value: 1 }, pixels: { value: 1 }, cut: { value: Infinity } },
  });
  readonly #points = new Points(new BufferGeometry(), this.#material);
  readonly #scene = new Scene();
  #positions: Float32Array = new Float32Array();
  #marked: readonly number[] = [];
  #spacing = 1;
  #factor = 1;
  #box = new Box3();
  #radius = 1;
  /** Whether a frame was asked for. */
  #asked = false;

  constructor() {
    this.element = h("div", { class: "view" }, this.canvas, this.#rings);
    this.#renderer.setPixelRatio(Math.min(2, devicePixelRatio));
    this.#light = eyeDome(this.#renderer);
    this.#camera.up.set(0, 0, 1);
    this.#controls = new OrbitControls(this.#camera, this.canvas);
    this.#controls.zoomToCursor = true;
    this.#points.frustumCulled = false;
    this.#scene.add(this.#points);
    new ResizeObserver(() => this.#resize()).observe(this.element);
    this.#controls.addEventListener("change", () => this.#draw());
  }

  get #cut(): number {
    return this.#material.uniforms.cut.value;
  }

  #matrix(): Matrix4 {
    const { projectionMatrix, matrixWorldInverse } = this.#camera;
    return new Matrix4().multiplyMatrices(projectionMatrix, matrixWorldInverse);
  }

  #placeMarks(): void {
    const all = this.#matrix();
    const { clientWidth, clientHeight } = this.canvas;
    this.#rings.replaceChildren(...this.#marked.flatMap((point, i) => {
      const place = new Vector3().fromArray(this.#positions, 3 * point);
      if (place.z > this.#cut) return [];
      place.applyMatrix4(all);
      if (place.z > 1) return [];
      const left = (place.x + 1) / 2 * clientWidth;
      const top = (1 - place.y) / 2 * clientHeight;
      return [h("i", { class: i === 0 ? "chosen" : "", style: `left: ${left}px; top: ${top}px` })];
    }));
  }

  /** Draws in the next frame. */
  #draw(): void {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#light.render(this.#scene, this.#camera);
      this.#placeMarks();
    });
  }

  #resize(): void {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width === 0 || height === 0) return;
    this.#renderer.setSize(width, height, false);
    this.#light.setSize(this.canvas.width, this.canvas.height);
    this.#camera.aspect = width / height;
    this.#camera.updateProjectionMatrix();
    this.#material.uniforms.pixels.value = height * this.#renderer.getPixelRatio() /
      (2 * Math.tan(FIELD * Math.PI / 360));
    this.#draw();
  }

  /** The number of the point that the pointer is on, or -1. */
  pointAt(event: PointerEvent): number {
    const box = this.canvas.getBoundingClientRect();
    this.#camera.updateMatrixWorld();
    return pick(this.#positions, {
      matrix: this.#matrix().elements,
      x: (event.clientX - box.left) / box.width * 2 - 1,
      y: 1 - (event.clientY - box.top) / box.height * 2,
      width: box.width,
      height: box.height,
      radius: PICK_PIXELS,
      cut: this.#cut,
    });
  }

  resetCamera(): void {
    const camera = this.#camera;
    const narrow = Math.min(1, camera.aspect);
    const distance = 0.95 * this.#radius / (Math.sin(FIELD * Math.PI / 360) * narrow);
    const center = this.#box.getCenter(new Vector3());
    center.z = meanHeight(this.#positions, this.#cut);
    camera.position.copy(center).add(new Vector3(-0.5, -0.7, 0.75).setLength(distance));
    camera.near = distance / 500;
    camera.far = 20 * distance;
    camera.updateProjectionMatrix();
    this.#controls.target.copy(center);
    this.#controls.update();
    this.#draw();
  }

  setColors(colors: Uint8Array): void {
    this.#points.geometry.setAttribute("tint", new BufferAttribute(colors, 3, true));
    this.#draw();
  }

  #resizePoints(): void {
    this.#material.uniforms.size.value = this.#spacing * this.#factor;
    this.#draw();
  }

  setPoints(positions: Float32Array, colors: Uint8Array, cut: number): void {
    this.#material.uniforms.cut.value = cut;
    this.#positions = positions;
    this.#marked = [];
    const geometry = new BufferGeometry();
    this.#points.geometry.dispose();
    this.#points.geometry = geometry;
    geometry.setAttribute("position", new BufferAttribute(positions, 3));
    this.setColors(colors);
    geometry.computeBoundingBox();
    this.#box = geometry.boundingBox!;
    const size = this.#box.getSize(new Vector3());
    this.#radius = Math.max(1e-6, size.length() / 2);
    // As if the points lay on the sides of their box: how far apart they are.
    const area = 2 * (size.x * size.y + size.y * size.z + size.z * size.x);
    const apart = 1.5 * Math.sqrt(Math.max(area, 1e-12) / Math.max(1, positions.length / 3));
    // Few points stay points rather than discs that hide each other.
    this.#spacing = Math.min(apart, 0.03 * this.#radius);
    this.#resizePoints();
    this.resetCamera();
  }

  setPointSize(factor: number): void {
    this.#factor = factor;
    this.#resizePoints();
  }

  setCut(z: number): void {
    this.#material.uniforms.cut.value = z;
    this.#draw();
  }

  setMarks(points: readonly number[]): void {
    this.#marked = points;
    this.#draw();
  }
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
