/**
 * Eye-dome lighting: what lies behind its surroundings is darkened, so that points without normals
 * show their shape (Boucheny, Visualisation scientifique de grands volumes de données, 2009).
 */

// @ts-types="npm:@types/three@0.187.0"
import {
  BufferAttribute,
  BufferGeometry,
  type Camera,
  DepthTexture,
  FloatType,
  Mesh,
  type PerspectiveCamera,
  Scene,
  ShaderMaterial,
  type WebGLRenderer,
  WebGLRenderTarget,
} from "three";

const VERTEX = `
varying vec2 at;
void main() {
  at = position.xy * 0.5 + 0.5;
  gl_Position = vec4(position.xy, 0.0, 1.0);
}`;
const FRAGMENT = `
uniform sampler2D colors;
uniform sampler2D depths;
uniform vec2 texel;
uniform float near;
uniform float far;
varying vec2 at;
float distanceAt(vec2 place) {
  float depth = texture2D(depths, place).r;
  return depth == 1.0 ? -1.0 : log2(near * far / (far - depth * (far - near)));
}
void main() {
  float own = distanceAt(at);
  if (own == -1.0) { gl_FragColor = vec4(0.0); return; }
  float behind = 0.0;
  for (int i = 0; i < 8; i++) {
    float turn = 0.7853981634 * float(i);
    float other = distanceAt(at + texel * vec2(cos(turn), sin(turn)));
    if (other != -1.0) behind += max(0.0, own - other);
  }
  gl_FragColor = vec4(texture2D(colors, at).rgb * max(0.35, exp(-8.0 * behind)), 1.0);
}`;
/** How far around a pixel its surroundings are, in CSS pixels. */
const REACH = 1.4;

/** Draws a scene of points with the lighting. */
export function eyeDome(renderer: WebGLRenderer): {
  /** In pixels of the device. */
  setSize(width: number, height: number): void;
  render(scene: Scene, camera: PerspectiveCamera): void;
} {
  const target = new WebGLRenderTarget(1, 1, { depthTexture: new DepthTexture(1, 1, FloatType) });
  const material = new ShaderMaterial({
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    depthTest: false,
    uniforms: {
      colors: { value: target.texture },
      depths: { value: target.depthTexture },
      texel: { value: [1, 1] },
      near: { value: 1 },
      far: { value: 2 },
    },
  });
  const triangle = new BufferGeometry();
  const corners = new Float32Array([-1, -1, 0, 3, -1, 0, -1, 3, 0]);
  triangle.setAttribute("position", new BufferAttribute(corners, 3));
  const screen = new Scene();
  const mesh = new Mesh(triangle, material);
  mesh.frustumCulled = false;
  screen.add(mesh);
  return {
    setSize(width, height) {
      target.setSize(width, height);
      const reach = REACH * renderer.getPixelRatio();
      material.uniforms.texel.value = [reach / width, reach / height];
    },
    render(scene, camera) {
      material.uniforms.near.value = camera.near;
      material.uniforms.far.value = camera.far;
      renderer.setRenderTarget(target);
      renderer.clear();
      renderer.render(scene, camera);
      renderer.setRenderTarget(null);
      renderer.render(screen, camera as Camera);
    },
  };
}
