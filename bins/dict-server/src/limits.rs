//! `dict-server limits`: the table of limits.

use std::io::Write;

use dict_cli::{Column, Stdout, Table};
use dict_protocol::limits::Limits;

pub(crate) fn run() -> anyhow::Result<()> {
    let mut table = Table::new([
        Column::name("LIMIT"),
        Column::text("FOR"),
        Column::number("DEFAULT"),
        Column::quiet_number("LEAST"),
        Column::quiet_number("MOST"),
        Column::text("OF WHAT"),
    ]);
    for limit in Limits::TABLE {
        let amounts =
            [limit.default, limit.least, limit.most].map(|amount| limit.unit.show(amount).to_string());
        let [name, whom, meaning] = [limit.name, limit.whom.as_str(), limit.meaning].map(str::to_owned);
        table.row([name, whom].into_iter().chain(amounts).chain([meaning]));
    }
    let mut out = Stdout::new();
    table.write(&mut out)?;
    Ok(out.flush()?)
}
