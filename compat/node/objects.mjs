// Create, read, replace, list, patch, delete; typed and by kind.
import { apps, config, core, equal, eventually, k8s, refused, step } from './common.mjs';

const map = (name, data) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });
const as = (strategy) => k8s.setHeaderOptions('Content-Type', strategy);

export async function run(namespace) {
  await typed(namespace);
  await patched(namespace);
  await byKind(namespace);
}

async function typed(namespace) {
  await step('version and node', async () => {
    const version = await config.makeApiClient(k8s.VersionApi).getCode();
    equal(version.major, '1');
    const [node] = (await core.listNode()).items;
    equal(node.status.conditions.find((one) => one.type === 'Ready').status, 'True');
  });
  await step('create, read, replace', async () => {
    await core.createNamespacedConfigMap({ namespace, body: map('a', { k: '1' }) });
    const read = await core.readNamespacedConfigMap({ name: 'a', namespace });
    equal(read.metadata.creationTimestamp instanceof Date, true);
    read.data.k = '2';
    equal((await core.replaceNamespacedConfigMap({ name: 'a', namespace, body: read })).data, { k: '2' });
    equal((await refused(409, () => core.replaceNamespacedConfigMap({ name: 'a', namespace, body: read }))).reason, 'Conflict');
  });
  await step('refusals', async () => {
    equal((await refused(409, () => core.createNamespacedConfigMap({ namespace, body: map('a') }))).reason, 'AlreadyExists');
    equal((await refused(404, () => core.readNamespacedConfigMap({ name: 'none', namespace }))).reason, 'NotFound');
    equal((await refused(422, () => core.createNamespacedConfigMap({ namespace, body: map('A_b') }))).reason, 'Invalid');
  });
  await step('list in pages', async () => {
    for (const name of ['b', 'c']) await core.createNamespacedConfigMap({ namespace, body: map(name) });
    const names = [];
    let _continue;
    do {
      const page = await core.listNamespacedConfigMap({ namespace, limit: 1, _continue });
      names.push(...page.items.map((one) => one.metadata.name));
      _continue = page.metadata._continue;
    } while (_continue);
    equal(names, ['a', 'b', 'c', 'kube-root-ca.crt']);
  });
  await step('delete', async () => {
    equal((await core.deleteNamespacedConfigMap({ name: 'c', namespace })).status, 'Success');
    await refused(404, () => core.deleteNamespacedConfigMap({ name: 'c', namespace }));
  });
}

async function patched(namespace) {
  const patch = (body, strategy) => core.patchNamespacedConfigMap({ name: 'a', namespace, body, fieldManager: 'node' }, as(strategy));
  await step('JSON patch', async () => {
    equal((await patch([{ op: 'add', path: '/data/x', value: '1' }], k8s.PatchStrategy.JsonPatch)).data, { k: '2', x: '1' });
  });
  await step('merge patch', async () => {
    equal((await patch({ data: { x: null } }, k8s.PatchStrategy.MergePatch)).data, { k: '2' });
  });
  await step('strategic merge patch', async () => {
    const got = await patch({ metadata: { finalizers: ['rutter.dev/a'] } }, k8s.PatchStrategy.StrategicMergePatch);
    equal(got.metadata.finalizers, ['rutter.dev/a']);
    const two = await patch({ metadata: { finalizers: ['rutter.dev/b'] } }, k8s.PatchStrategy.StrategicMergePatch);
    equal([...two.metadata.finalizers].sort(), ['rutter.dev/a', 'rutter.dev/b']);
    await patch({ metadata: { finalizers: null } }, k8s.PatchStrategy.MergePatch);
  });
  await step('a patch whose type the client chooses', async () => {
    const got = await core.patchNamespacedConfigMap({ name: 'a', namespace, body: [{ op: 'add', path: '/data/y', value: '1' }] });
    equal(got.data.y, '1');
  });
  await step('apply', async () => {
    const apply = (k, force) => core.patchNamespacedConfigMap({ name: 'applied', namespace, body: map('applied', { k }), fieldManager: `m${k}`, force }, as(k8s.PatchStrategy.ServerSideApply));
    equal((await apply('1')).data, { k: '1' });
    equal((await refused(409, () => apply('2'))).details.causes[0].field, '.data.k');
    equal((await apply('2', true)).data, { k: '2' });
  });
  await step('scale a deployment', async () => {
    const container = { name: 'c', image: 'rutter.dev/hello' };
    const spec = { replicas: 1, selector: { matchLabels: { app: 'd' } }, template: { metadata: { labels: { app: 'd' } }, spec: { terminationGracePeriodSeconds: 1, containers: [container] } } };
    await apps.createNamespacedDeployment({ namespace, body: { metadata: { name: 'd' }, spec } });
    await eventually('it is available', async () => (await apps.readNamespacedDeployment({ name: 'd', namespace })).status.availableReplicas === 1, 50);
    const body = [{ op: 'replace', path: '/spec/replicas', value: 0 }];
    const scale = await apps.patchNamespacedDeploymentScale({ name: 'd', namespace, body }, as(k8s.PatchStrategy.JsonPatch));
    equal(scale.spec.replicas ?? 0, 0);
    await eventually('its pods are gone', async () => (await core.listNamespacedPod({ namespace, labelSelector: 'app=d' })).items.length === 0);
  });
}

async function byKind(namespace) {
  const objects = k8s.KubernetesObjectApi.makeApiClient(config);
  await step('by kind: create, read, patch, list, replace, delete', async () => {
    const body = { ...map('k', { a: '1' }), metadata: { name: 'k', namespace } };
    await objects.create(body);
    const read = await objects.read(body);
    equal(read.data, { a: '1' });
    equal((await objects.patch({ ...body, data: { a: '2' } })).data, { a: '2' });
    equal((await objects.patch({ ...body, data: { a: '3' } }, undefined, undefined, 'kind', true, k8s.PatchStrategy.ServerSideApply)).data, { a: '3' });
    equal((await objects.list('v1', 'ConfigMap', namespace)).items.some((one) => one.metadata.name === 'k'), true);
    equal((await objects.delete(body)).status, 'Success');
  });
  await step('by kind: a custom kind', async () => {
    const group = 'node.rutter.dev';
    const schema = { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { n: { type: 'integer' } } } } } };
    const names = { plural: 'kites', singular: 'kite', kind: 'Kite' };
    const versions = [{ name: 'v1', served: true, storage: true, schema }];
    const crd = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: `kites.${group}` }, spec: { group, scope: 'Namespaced', names, versions } };
    await objects.create(crd);
    await eventually('it is established', async () => (await objects.read(crd)).status?.conditions?.some((one) => one.type === 'Established' && one.status === 'True'));
    const kite = { apiVersion: `${group}/v1`, kind: 'Kite', metadata: { name: 'k', namespace }, spec: { n: 1 } };
    equal((await objects.create(kite)).spec, { n: 1 });
    equal((await objects.list(`${group}/v1`, 'Kite', namespace)).items.length, 1);
    await refused(422, () => objects.create({ ...kite, metadata: { name: 'bad', namespace }, spec: { n: 'x' } }));
    await objects.delete(crd);
    await eventually('it is gone', () => objects.read(crd).then(() => false, (problem) => problem.code === 404));
  });
}
