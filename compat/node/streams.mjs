// Logs, exec, attach, forwarding.
import { PassThrough, Readable } from 'node:stream';
import { config, core, equal, eventually, k8s, step } from './common.mjs';

/** A stream that remembers. */
function collector() {
  const stream = new PassThrough();
  stream.text = '';
  stream.on('data', (chunk) => { stream.text += chunk; });
  return stream;
}

export async function run(namespace) {
  await step('a pod runs', async () => {
    const container = { name: 'c', image: 'rutter.dev/hello', ports: [{ containerPort: 8080 }] };
    await core.createNamespacedPod({ namespace, body: { metadata: { name: 's' }, spec: { terminationGracePeriodSeconds: 1, containers: [container] } } });
    await eventually('it is ready', async () => (await core.readNamespacedPod({ name: 's', namespace })).status.phase === 'Running', 50);
  });
  await step('log, followed', async () => {
    const out = collector();
    const abort = await new k8s.Log(config).log(namespace, 's', 'c', out, { follow: true, timestamps: true });
    await eventually('it spoke', () => out.text.includes('hello from pod s'));
    abort.abort();
  });
  const exec = async (command) => {
    const [out, err] = [collector(), collector()];
    let status;
    await new k8s.Exec(config).exec(namespace, 's', 'c', command, out, err, null, false, (told) => { status = told; });
    await eventually('it ended', () => status);
    return { out: out.text, err: err.text, status };
  };
  await step('exec', async () => {
    const got = await exec(['rutter', '--version']);
    equal([got.out.startsWith('rutter '), got.status.status], [true, 'Success']);
  });
  await step('exec: the exit code', async () => {
    const { status } = await exec(['rutter', 'no-such-verb']);
    equal([status.status, status.reason, status.details.causes[0].reason], ['Failure', 'NonZeroExitCode', 'ExitCode']);
  });
  await step('attach', async () => {
    const out = collector();
    const socket = await new k8s.Attach(config).attach(namespace, 's', 'c', out, null, null, false);
    socket.close();
  });
  await step('port-forward', async () => {
    const out = collector();
    // It stays open: at the end of its input this client closes the socket, and reads no answer.
    const request = new PassThrough();
    request.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const socket = await new k8s.PortForward(config).portForward(namespace, 's', [8080], out, null, request);
    await eventually('it answers', () => out.text.includes('200 OK'), 10);
    socket.close();
  });
}
