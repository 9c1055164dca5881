//! `logger export`.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, bail};
use dict_cli::{Stdout, on_interrupt};
use dict_timeline::export::wide;
use dict_timeline::{Filter, Reader};
use tempfile::NamedTempFile;

use crate::ahead::{self, Batch};
use crate::arguments::{ExportArguments, ExportFormat, RowFormat};
use crate::progress::Progress;
use crate::show::RowWriter;
use crate::written_back::WrittenBack;

pub(crate) fn run(arguments: ExportArguments) -> Result<()> {
    let ExportArguments { timeline, filter, output, force, format, wide, every } = arguments;
    let reader = Reader::open(&timeline.timeline)?;
    let export = Export {
        filter: filter.into_filter(None),
        format: format.unwrap_or_else(|| format_of(&output)),
        wide: wide.then_some(every),
        reader,
    };
    if output == Path::new("-") {
        // On a terminal a bar would stand between the rows.
        let progress = (!Stdout::is_terminal()).then(Progress::new);
        return export.write(Stdout::new(), progress.as_ref());
    }
    check_place(&export.reader, &output, force)?;
    let aside = File::beside(output)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    on_interrupt(move || flag.store(true, Ordering::Relaxed))?;
    let out = Interruptible { inner: WrittenBack::new(aside.file.as_file()), interrupted };
    export.write(BufWriter::with_capacity(1 << 20, out), Some(&Progress::new()))?;
    aside.keep(force)
}

/// What is written, and how.
struct Export {
    reader: Reader,
    filter: Filter,
    format: ExportFormat,
    /// One column a key; with a line for each step of time, or else for each update.
    wide: Option<Option<std::time::Duration>>,
}

impl Export {
    fn write(self, mut out: impl Write, progress: Option<&Progress>) -> Result<()> {
        let show = |done, total| {
            if let Some(progress) = progress {
                progress.show("exporting", done, total);
            }
        };
        if let Some(every) = self.wide {
            let mut table = self.reader.wide(&self.filter, every)?;
            match self.format {
                ExportFormat::Csv => wide::write_csv(&mut table, &mut out, show)?,
                ExportFormat::Jsonl => wide::write_jsonl(&mut table, &mut out, show)?,
            }
        } else {
            self.write_rows(&mut out, show)?;
        }
        Ok(out.flush()?)
    }

    fn write_rows(self, out: impl Write, show: impl Fn(u64, u64)) -> Result<()> {
        let format = match self.format {
            ExportFormat::Csv => RowFormat::Csv,
            ExportFormat::Jsonl => RowFormat::Jsonl,
        };
        ahead::read(self.reader, &self.filter, |mut batches| {
            // Where nothing can be read, nothing is written.
            batches.next_if(std::result::Result::is_err).transpose()?;
            let mut writer = RowWriter::new(out, format, &self.filter.kinds)?;
            for batch in batches {
                let Batch { rows, position, end } = batch?;
                rows.iter().try_for_each(|row| writer.write(row))?;
                show(position, end);
            }
            Ok(writer.flush()?)
        })
    }
}

fn format_of(output: &Path) -> ExportFormat {
    match output.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("jsonl") => ExportFormat::Jsonl,
        _ => ExportFormat::Csv,
    }
}

/// Refuses at once what would be refused when all is written.
fn check_place(reader: &Reader, output: &Path, force: bool) -> Result<()> {
    if output.is_dir() {
        bail!("{} is a directory: name a file in it", output.display());
    }
    if fs::canonicalize(output).is_ok_and(|output| output == reader.path()) {
        bail!("{} is the timeline itself: choose another file", output.display());
    }
    if !force && fs::symlink_metadata(output).is_ok() {
        bail!("{} exists: give --force to replace it", output.display());
    }
    Ok(())
}

/// A file that appears under its name when it is complete, and otherwise not at all.
struct File {
    file: NamedTempFile,
    output: PathBuf,
}

impl File {
    fn beside(output: PathBuf) -> Result<Self> {
        let directory = match output.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".export-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // As any file that a program makes: less what the person's umask takes away.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = builder
            .tempfile_in(directory)
            .with_context(|| format!("cannot write {} in {}", output.display(), directory.display()))?;
        Ok(Self { file, output })
    }

    fn keep(self, force: bool) -> Result<()> {
        let Self { file, output } = self;
        file.as_file().sync_all().with_context(|| format!("cannot write {}", output.display()))?;
        let kept = if force { file.persist(&output) } else { file.persist_noclobber(&output) };
        kept.map_err(|error| error.error).with_context(|| format!("cannot make {}", output.display()))?;
        Ok(())
    }
}

/// A file that takes nothing more once the person has pressed Ctrl-C.
struct Interruptible<'a> {
    inner: WrittenBack<'a>,
    interrupted: Arc<AtomicBool>,
}

impl Write for Interruptible<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted: nothing was written"));
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
