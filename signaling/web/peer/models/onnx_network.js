// Networks in ONNX Runtime Web: loaded once, run with named tensors.

/** @typedef {typeof import("onnxruntime-web")} Ort */
/** @typedef {{ data: Float32Array, dims: readonly number[] }} Tensor */

/** One network, on WebGPU or in WebAssembly. */
export class Network {
  #ort;
  #session;
  /** @type {Map<string, readonly number[]>} */
  #shapes;

  /** @param {Ort} ort @param {import("onnxruntime-web").InferenceSession} session */
  constructor(ort, session) {
    this.#ort = ort;
    this.#session = session;
    this.inputs = session.inputNames;
    this.outputs = session.outputNames;
    const shape = (/** @type {any} */ { shape }) => shape.map((/** @type {unknown} */ d) => (typeof d === "number" ? d : 1));
    this.#shapes = new Map(session.inputMetadata.map((input) => [input.name, shape(input)]));
  }

  /**
   * `data`: the ONNX file; `gpu`: on WebGPU. Throws if the browser can't run it.
   * @param {Ort} ort @param {Uint8Array} data @param {boolean} gpu
   */
  static async load(ort, data, gpu = false) {
    const session = await ort.InferenceSession.create(data, { executionProviders: gpu ? ["webgpu"] : ["wasm"] });
    return new Network(ort, session);
  }

  /**
   * Input tensors by name, their values row by row in the network's own shapes → output tensors by name.
   * @param {Record<string, Float32Array>} inputs
   * @returns {Promise<Record<string, Float32Array>>}
   */
  async run(inputs) {
    const feeds = Object.fromEntries(
      this.inputs.map((name) => [name, new this.#ort.Tensor("float32", inputs[name], this.#shapes.get(name))]),
    );
    const found = await this.#session.run(feeds);
    /** @type {Record<string, Float32Array>} */
    const out = {};
    for (const name of this.outputs) {
      out[name] = /** @type {Float32Array} */ (await found[name].getData());
      found[name].dispose();
    }
    for (const tensor of Object.values(feeds)) tensor.dispose();
    return out;
  }

  /** Free its memory; it can't be run any more. */
  close() {
    this.#session.release().catch((error) => console.warn("facewire: a network could not be closed:", error));
  }
}
