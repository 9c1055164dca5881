//! What the figures were obtained on.

use std::path::Path;

use serde_json::{Value, json};
use sysinfo::{CpuRefreshKind, Disks, MemoryRefreshKind, RefreshKind, System};

use crate::trouble::{Result, Trouble, While};

/// The machine, and the file system of the folder of durable runs.
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    file_system: String,
}

impl Machine {
    /// This one.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let kinds = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(kinds);
        let processor = system.cpus().first().map_or("unknown", |cpu| cpu.brand()).trim().to_owned();
        Ok(Self {
            processor,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: system.total_memory() >> 20,
            kernel: System::long_os_version().unwrap_or_default() + ", " + &System::kernel_long_version(),
            file_system: file_system(folder)?,
        })
    }

    /// That the folder is on a disk: what is in memory alone is not durable.
    pub(crate) fn check_disk(&self) -> Result<()> {
        if ["tmpfs", "ramfs"].contains(&self.file_system.as_str()) {
            let file_system = &self.file_system;
            return Err(Trouble::LeftOut(format!(
                "the folder is on {file_system}, which is no disk: give --dir"
            )));
        }
        Ok(())
    }

    pub(crate) fn as_json(&self) -> Value {
        json!({
            "processor": self.processor,
            "cores": self.cores,
            "memory_mib": self.memory_mib,
            "kernel": self.kernel,
            "file_system": self.file_system,
        })
    }

    pub(crate) fn lines(&self) -> [String; 2] {
        let Self { processor, cores, memory_mib, kernel, file_system } = self;
        [
            format!("{processor}, {cores} cores, {memory_mib} MiB; {kernel}"),
            format!("durable runs on {file_system}"),
        ]
    }
}

/// The kind of file system that `folder` is on: that of the longest mount point above it.
fn file_system(folder: &Path) -> Result<String> {
    let folder = folder.canonicalize().trying(|| format!("looking for the folder {}", folder.display()))?;
    let disks = Disks::new_with_refreshed_list();
    let above = disks.iter().filter(|disk| folder.starts_with(disk.mount_point()));
    let disk = above.max_by_key(|disk| disk.mount_point().as_os_str().len());
    Ok(disk.map_or("an unknown file system".into(), |disk| disk.file_system().to_string_lossy().into_owned()))
}
