// Watch and informer.
import { config, core, equal, eventually, k8s, sleep, step } from './common.mjs';

export async function run(namespace) {
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const make = (name) => core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels: { informed: 'yes' } } } });
  await step('watch', async () => {
    const { resourceVersion } = (await core.listNamespacedConfigMap({ namespace })).metadata;
    const told = [];
    let ended = false;
    const abort = await new k8s.Watch(config).watch(path, { resourceVersion, allowWatchBookmarks: true, fieldSelector: 'metadata.name=w' }, (kind) => told.push(kind), () => { ended = true; });
    await make('w');
    await core.deleteNamespacedConfigMap({ name: 'w', namespace });
    await eventually('it was told', () => told.length === 2);
    equal(told, ['ADDED', 'DELETED']);
    abort.abort();
    await eventually('it ended', () => ended);
  });
  await step('watch ends at its time', async () => {
    let ended = false;
    await new k8s.Watch(config).watch(path, { timeoutSeconds: 1 }, () => {}, () => { ended = true; });
    await eventually('it ended', () => ended, 5);
  });
  await step('watch from a version too old or none', async () => {
    const told = [];
    let problem;
    await new k8s.Watch(config).watch(path, { resourceVersion: 'x', timeoutSeconds: 1 }, (kind, one) => told.push([kind, one]), (why) => { problem = why; });
    await eventually('it was refused', () => problem ?? told.find(([kind]) => kind === 'ERROR'), 5);
  });
  await step('informer, started again after it ended', async () => {
    const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'informed=yes' });
    const informer = k8s.makeInformer(config, path, list, 'informed=yes');
    const told = [];
    for (const verb of ['add', 'update', 'delete']) informer.on(verb, (one) => told.push(`${verb} ${one.metadata.name}`));
    // The client itself reports its own stopping so.
    informer.on('error', (problem) => { if (problem?.name !== 'AbortError') told.push(`error ${problem}`); });
    await make('i1');
    await informer.start();
    await eventually('it knows', () => told.length === 1);
    await make('i2');
    await eventually('it is told', () => told.length === 2);
    await informer.stop();
    await core.deleteNamespacedConfigMap({ name: 'i1', namespace });
    await make('i3');
    await sleep(300);
    equal(told.filter((one) => one.startsWith('error')), []);
    await informer.start();
    await eventually('it knows what went and came', () => told.includes('delete i1') && told.includes('add i3'));
    equal(informer.list(namespace).map((one) => one.metadata.name).sort(), ['i2', 'i3']);
    await informer.stop();
  });
}
