// What the parts of this suite share: the client, the steps as the other suites print them, and waiting.
import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';

const installed = `${process.env.COMPAT_WORK}/node/node_modules/@kubernetes/client-node/dist/index.js`;
export const k8s = await import(pathToFileURL(installed).href);
export const config = new k8s.KubeConfig();
config.loadFromDefault();
export const core = config.makeApiClient(k8s.CoreV1Api);
export const apps = config.makeApiClient(k8s.AppsV1Api);
export const equal = assert.deepStrictEqual;

let failed = false;

/** A step fails by what it throws; the suite goes on. */
export async function step(name, work) {
  try {
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('not within 60 s')), 60_000); });
    await Promise.race([work(), late]).finally(() => clearTimeout(timer));
    console.log(`ok ${name}`);
  } catch (problem) {
    failed = true;
    console.log(`not ok ${name}`);
    for (const line of String(problem?.stack ?? problem?.message ?? JSON.stringify(problem)).split('\n').slice(0, 12)) console.log(`#   ${line}`);
  }
}

/** The end of the suite. */
export function done() {
  process.exit(failed ? 1 : 0);
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until `check` gives something; that. */
export async function eventually(what, check, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await sleep(200);
  }
}

/** The Status of a call that must be refused with this code. */
export async function refused(code, call) {
  try {
    await call();
  } catch (problem) {
    equal(problem.code, code, `${problem}`);
    return typeof problem.body === 'string' ? JSON.parse(problem.body) : problem.body;
  }
  throw new Error(`it was not refused; wanted ${code}`);
}

/** Deletes a namespace of an earlier run and waits. */
export async function namespaceGone(name) {
  await core.deleteNamespace({ name }).catch((problem) => { if (problem.code !== 404) throw problem; });
  await eventually(`namespace ${name} is gone`, async () => !(await core.listNamespace()).items.some((one) => one.metadata.name === name), 60);
}
