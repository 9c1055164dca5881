//! What the figures were obtained on.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

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
    let above = mounts()?.into_iter().filter(|(point, _)| folder.starts_with(point));
    let nearest = above.max_by_key(|(point, _)| point.as_os_str().len());
    Ok(nearest.map_or_else(|| "an unknown file system".to_owned(), |(_, kind)| kind))
}

/// Mount points and kinds of file systems; of two at one point, the second hides the first.
#[cfg(target_os = "linux")]
fn mounts() -> Result<Vec<(PathBuf, String)>> {
    // sysinfo leaves out those that are no disks, which are to be found here.
    let path = "/proc/self/mounts";
    let text = std::fs::read_to_string(path).trying(|| format!("reading {path}"))?;
    let lines = text.lines().map(|line| line.split(' '));
    let mounts = lines.filter_map(|mut words| {
        let (point, kind) = (words.nth(1)?, words.next()?);
        Some((PathBuf::from(point.replace("\\040", " ")), kind.to_owned()))
    });
    Ok(mounts.collect())
}

#[cfg(not(target_os = "linux"))]
fn mounts() -> Result<Vec<(PathBuf, String)>> {
    let disks = sysinfo::Disks::new_with_refreshed_list();
    let disks = disks
        .iter()
        .map(|disk| (disk.mount_point().to_owned(), disk.file_system().to_string_lossy().into_owned()));
    Ok(disks.collect())
}
