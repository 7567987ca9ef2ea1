//! Starts processes for the shim: in OCI bundles by libcontainer, or as plain children. It starts; the reactor keeps them.
use super::protocol::{ContainerRecord, Engine, Run, SandboxRecord};
use super::started::Started;
use super::{oci, process};
use crate::runtime::ExecSpec;
use std::path::Path;

/// Before anything else: go where the pod is.
pub(super) fn enter(dir: &Path, record: &SandboxRecord) -> Result<(), String> {
    match record.engine {
        Engine::Process => Ok(()),
        Engine::Oci => oci::enter(dir, record),
    }
}

pub(super) fn start(engine: Engine, dir: &Path, record: &ContainerRecord) -> Result<Started, String> {
    match engine {
        Engine::Process => process::start(&record.run, record.spec.tty, record.spec.stdin),
        Engine::Oci => oci::start(dir, record),
    }
}

pub(super) fn exec(engine: Engine, dir: &Path, record: &ContainerRecord, exec: &ExecSpec) -> Result<Started, String> {
    match engine {
        Engine::Process => {
            let run = Run { args: exec.command.clone(), ..record.run.clone() };
            process::start(&run, exec.tty, exec.stdin)
        }
        Engine::Oci => oci::exec(dir, record, exec),
    }
}

/// After the first process has ended: whatever it left; true if the kernel killed in it for want of memory.
pub(super) fn ended(engine: Engine, dir: &Path, record: &ContainerRecord) -> bool {
    match engine {
        Engine::Process => false,
        Engine::Oci => oci::ended(dir, record),
    }
}

/// The container goes away.
pub(super) fn discard(engine: Engine, dir: &Path) {
    if engine == Engine::Oci {
        oci::discard(dir);
    }
}
