#!/usr/bin/env python3
"""The stock Python client: writes, reads, watches, streams, the dynamic client and leader election."""
import common
import dynamic
import reads
import sockets
import streams
import watches
import writes
from tap import done, step

NAMESPACE = "compat-python"

common.namespace_gone(NAMESPACE)
with step("create a namespace"):
    common.core.create_namespace({"metadata": {"name": NAMESPACE}})
for part in (writes, reads, watches, dynamic, streams, sockets):
    part.run(NAMESPACE)
with step("delete the namespace"):
    common.namespace_gone(NAMESPACE)
done()
