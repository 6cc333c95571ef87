// The network: a TFLite file run by LiteRT.js, on the graphics card where that is right and faster.

import { Tensor, loadAndCompile, loadLiteRt, supportsFeature, unloadLiteRt } from "@litertjs/core";

const BUILDS = "/litert/core/wasm/";
const TOLERATED = 0.05; // root mean square difference between graphics card and processor
// Whitening takes roots of covariances, which 16-bit floats do not survive.
const ON_GPU = { accelerator: "webgpu", gpuOptions: { precision: "fp32" } };
const ON_PROCESSOR = { accelerator: "wasm" };

let loaded = ""; // which build of LiteRT.js is in memory: "gpu", "processor" or none

/**
 * Fetches and compiles one of the model's files.
 * @param {{name: string, size: number}} file as the server lists it
 * @param {number} cultures how many the model knows
 * @returns {Promise<Model>} whose `engine` says in a sentence what computes, and why
 */
export async function openModel(file, cultures) {
  const response = await fetch(`/model/${file.name}`);
  if (!response.ok) throw new Error(`The model file ${file.name} could not be loaded.`);
  const content = new Uint8Array(await response.arrayBuffer());
  const open = async (options) => {
    return new Model(await loadAndCompile(content, options), file, cultures);
  };
  let reason;
  try {
    return await openOnGpu(open);
  } catch (error) {
    reason = error.message ?? String(error);
  }
  const threads = await loadBuild("processor");
  const model = await open(ON_PROCESSOR);
  model.engine = `Runs on the processor (WebAssembly${threads ? ", with threads" : ""}). ${reason}`;
  return model;
}

/** A model on the graphics card; `Error` with a sentence where there is a reason not to use it. */
async function openOnGpu(open) {
  if (!navigator.gpu) throw new Error("This browser offers no WebGPU here.");
  if (!(await navigator.gpu.requestAdapter())) throw new Error("WebGPU finds no graphics card.");
  let model, judge;
  try {
    await loadBuild("gpu");
    model = await open(ON_GPU);
    judge = await open(ON_PROCESSOR);
    await compare(model, judge);
  } catch (error) {
    model?.delete();
    throw new Error(`WebGPU is there and not used: ${error.message ?? error}.`);
  } finally {
    judge?.delete();
  }
  model.engine = "Runs on the graphics card (WebGPU).";
  return model;
}

/** Graphics cards compute wrongly or slowly at times: both restyle once, the worse is not taken. */
async function compare(model, judge) {
  if (model.compiled.options.accelerator !== "webgpu") throw new Error("it cannot run this file");
  const [gpu, processor] = [await model.rehearse(), await judge.rehearse()];
  let sum = 0;
  gpu.result.forEach((value, index) => (sum += (value - processor.result[index]) ** 2));
  const difference = Math.sqrt(sum / gpu.result.length);
  if (!(difference <= TOLERATED)) throw new Error("it computes another picture");
  if (gpu.time > processor.time) {
    const times = [gpu.time, processor.time].map((time) => `${Math.round(time)} ms`);
    throw new Error(`it takes ${times[0]} where one thread of the processor takes ${times[1]}`);
  }
}

/** Loads the build of LiteRT.js for the graphics card or the processor; whether it has threads. */
async function loadBuild(kind) {
  const gpu = kind === "gpu";
  const jspi = gpu && (await supports("relaxedSimd", "jspi"));
  // Threads share memory, which browsers allow only to isolated pages.
  const threads = !gpu && self.crossOriginIsolated && (await supports("relaxedSimd", "threads"));
  if (loaded !== kind) {
    if (loaded) unloadLiteRt();
    loaded = "";
    await loadLiteRt(BUILDS, { jspi, threads });
    loaded = kind;
  }
  return threads;
}

async function supports(...features) {
  const found = await Promise.all(features.map((feature) => supportsFeature(feature)));
  return found.every(Boolean);
}

class Model {
  constructor(compiled, file, cultures) {
    this.compiled = compiled;
    this.file = file;
    this.size = file.size; // px, of the square's edge
    this.cultures = cultures; // how many
    this.engine = ""; // a sentence: what computes
  }

  /** Restyles a pattern twice, since much is compiled at the first run; the second is timed (ms). */
  async rehearse() {
    const pattern = Float32Array.from({ length: this.size * this.size * 3 }, (_, index) => {
      return 0.5 + 0.5 * Math.sin(0.37 * index) * Math.sin(0.001 * index);
    });
    const mixture = new Float32Array(this.cultures).fill(1);
    await this.run(pattern, mixture, 1);
    const start = performance.now();
    const result = await this.run(pattern, mixture, 1);
    return { result, time: performance.now() - start };
  }

  /**
   * Restyles a square.
   * @param {Float32Array} square RGB in [0, 1], size x size x 3
   * @param {Float32Array} mixture non-negative weights, one per culture
   * @param {number} strength 0 to 1
   * @returns {Promise<Float32Array>} like `square`
   */
  async run(square, mixture, strength) {
    const inputs = {
      image: new Tensor(square, [1, this.size, this.size, 3]),
      mixture: new Tensor(mixture, [1, this.cultures]),
      strength: new Tensor(new Float32Array([strength]), [1, 1]),
    };
    let outputs = {};
    try {
      outputs = await this.compiled.run("stylize", inputs);
      return (await outputs.stylized.data()).slice();
    } finally {
      for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
    }
  }

  /** Frees the memory, which browsers do not do by themselves here. */
  delete() {
    this.compiled.delete();
  }
}
