//! A file of ours: the long options of a program, as TOML.

use dict_protocol::link::Link;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Config, File, Keys};
use crate::limits::LimitSetting;
use crate::links::Given;

pub(super) fn read(file: &File<'_>, keys: Keys) -> anyhow::Result<Config> {
    let table = DeTable::parse(file.text).map_err(|error| {
        let line = file.line(error.span().map_or(file.text.len(), |span| span.start));
        file.wrong(line, error.message())
    })?;
    // They come by the alphabet; the first that is wrong is told.
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_unstable_by_key(|(key, _)| key.span().start);
    let mut config = Config::default();
    for (key, value) in entries {
        let line = file.line(key.span().start);
        let entry = Entry { file, line, key: key.get_ref(), value };
        let find = |known: &'static [&'static str]| known.iter().copied().find(|known| *known == entry.key);
        if entry.key == "listen" {
            config.listen = entry.links()?;
        } else if entry.key == "connect" {
            config.connect = entry.links()?;
        } else if let Some(key) = find(keys.texts) {
            config.texts.insert(key, entry.text()?);
        } else if let Some(key) = find(keys.flags) {
            config.flags.extend(entry.flag()?.then_some(key));
        } else if entry.key == "limits" {
            config.limits = entry.limits()?;
        } else {
            let known = [&["listen", "connect"], keys.texts, keys.flags, &["limits"]].concat().join(", ");
            return Err(file.wrong(line, format_args!("unknown key {:?}: known are {known}", entry.key)));
        }
    }
    Ok(config)
}

/// A key and its value.
struct Entry<'a> {
    file: &'a File<'a>,
    line: usize,
    key: &'a str,
    value: &'a Spanned<DeValue<'a>>,
}

impl Entry<'_> {
    /// Links: one, or a list.
    fn links(&self) -> anyhow::Result<Vec<Given>> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(vec![self.link(self.line, text)?]),
            DeValue::Array(items) => items
                .iter()
                .map(|item| {
                    let line = self.file.line(item.span().start);
                    match item.get_ref() {
                        DeValue::String(text) => self.link(line, text),
                        other => Err(self.is_no(line, other, "a link, or a list of links, in quotes")),
                    }
                })
                .collect(),
            other => Err(self.is_no(self.line, other, "a link, or a list of links, in quotes")),
        }
    }

    fn link(&self, line: usize, text: &str) -> anyhow::Result<Given> {
        let link: Link = text
            .parse()
            .map_err(|error| self.file.wrong(line, format_args!("{} {text:?}: {error}", self.key)))?;
        Ok(Given { place: format!("{}, line {line}: {}", self.file.name, self.key), link })
    }

    /// A table of limits.
    fn limits(&self) -> anyhow::Result<Vec<LimitSetting>> {
        let DeValue::Table(table) = self.value.get_ref() else {
            return Err(self.is_no(self.line, self.value.get_ref(), "a table, as [limits]"));
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_unstable_by_key(|(name, _)| name.span().start);
        entries
            .into_iter()
            .map(|(name, value)| {
                let line = self.file.line(name.span().start);
                let text = match value.get_ref() {
                    DeValue::String(text) => text.to_string(),
                    DeValue::Integer(number) => number.to_string(),
                    other => return Err(self.is_no(line, other, "numbers, and texts in quotes as \"4MiB\"")),
                };
                LimitSetting::new(name.get_ref(), &text).map_err(|error| self.file.wrong(line, error))
            })
            .collect()
    }

    fn text(&self) -> anyhow::Result<String> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            other => Err(self.is_no(self.line, other, "a text in quotes")),
        }
    }

    fn flag(&self) -> anyhow::Result<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(self.is_no(self.line, other, "true or false")),
        }
    }

    fn is_no(&self, line: usize, found: &DeValue<'_>, expected: &str) -> anyhow::Error {
        let found = found.type_str();
        self.file.wrong(line, format_args!("{} takes {expected}, not a value of type {found}", self.key))
    }
}
