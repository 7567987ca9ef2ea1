// The stock JavaScript client: CRUD, patches, watch, informer, logs, exec, forwarding.
import { core, done, namespaceGone, step } from './common.mjs';
import * as objects from './objects.mjs';
import * as streams from './streams.mjs';
import * as watches from './watches.mjs';

const namespace = 'compat-node';
await namespaceGone(namespace);
await step('create a namespace', () => core.createNamespace({ body: { metadata: { name: namespace } } }));
for (const part of [objects, watches, streams]) await part.run(namespace);
await step('delete the namespace', () => namespaceGone(namespace));
done();
