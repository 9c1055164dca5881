//! Rows 9 and 10: connections that are cut after any byte, and such as pass one byte at a time.

use std::collections::BTreeMap;
use std::thread::scope;
use std::time::Duration;

use dict_event_loop::client::{Client, Mode, WatchEvent, WatchOptions};
use dict_protocol::dialect::Dialect;
use dict_protocol::pattern::Pattern;

use super::exchanges::{self, Partner};
use super::journal::Journal;
use super::proxy::{Manner, Proxy, Way};
use super::systems::{Logger, wait_until};
use super::{Miss, Setting, ensure};
use crate::programs::PATIENCE;

/// Native exchanges under way at once.
const LANES: usize = 8;

/// Row 9.
pub(super) fn at_every_byte(setting: &Setting) -> Result<String, Miss> {
    let step = setting.form(1, 13);
    let native = cut_native(step)?;
    let (logger, partners) = exchanges::older(Manner::Whole)?;
    let mut told = vec![format!("native {native}")];
    let cut: Vec<_> = scope(|scope| {
        let cutting =
            |mut partner: Box<dyn Partner + Send>| scope.spawn(move || cut_older(&mut *partner, step));
        let running: Vec<_> = partners.into_iter().map(cutting).collect();
        running.into_iter().map(|running| running.join().expect("it does not panic")).collect()
    });
    for cut in cut {
        let (dialect, cuts) = cut?;
        told.push(format!("{dialect} {cuts}"));
    }
    logger.settle(&[])?;
    Ok(format!("cuts: {}; nothing half applied, the next connection always clean", told.join(", ")))
}

/// Cuts a native exchange everywhere; all the same everything is logged once.
fn cut_native(step: usize) -> Result<usize, Miss> {
    let logger = Logger::start();
    let proxy = Proxy::start(&logger.address, Manner::Whole);
    let mut journals = vec![exchanges::native(&proxy, "whole", 3)?];
    let ways = [Way::There, Way::Back];
    // What a clock's comparison adds is not always the same.
    let places =
        ways.map(|way| (0..proxy.passed(way) + 40).step_by(step).map(move |at| Manner::Cut(way, at)));
    let places: Vec<Manner> = places.into_iter().flatten().collect();
    let lane = |lane: usize| {
        let proxy = Proxy::start(&logger.address, Manner::Whole);
        let mine = places.iter().enumerate().skip(lane).step_by(LANES);
        mine.map(|(number, place)| {
            proxy.next(*place);
            exchanges::native(&proxy, &format!("cut{number}"), 3)
        })
        .collect::<Result<Vec<Journal>, Miss>>()
    };
    let cut: Vec<_> = scope(|scope| {
        let running: Vec<_> = (0..LANES).map(|number| scope.spawn(move || lane(number))).collect();
        running.into_iter().map(|running| running.join().expect("it does not panic")).collect()
    });
    for cut in cut {
        journals.extend(cut?);
    }
    logger.settle(&journals)?;
    Ok(places.len())
}

/// Cuts an exchange everywhere, and has a whole one after each.
fn cut_older(partner: &mut dyn Partner, step: usize) -> Result<(Dialect, u64), Miss> {
    let dialect = partner.dialect();
    let before = [Way::There, Way::Back].map(|way| partner.proxy().passed(way));
    let number = partner.say();
    partner.wait(number)?;
    let lengths = [Way::There, Way::Back].map(|way| partner.proxy().passed(way) - before[way as usize]);
    let mut cuts = 0;
    let mut whole = vec![number];
    for way in [Way::There, Way::Back] {
        for at in (0..lengths[way as usize]).step_by(step) {
            partner.proxy().next(Manner::Cut(way, at));
            partner.say();
            let proxy = partner.proxy();
            cuts += 1;
            wait_until("the connection is cut", || proxy.cuts() == cuts)?;
            let number = partner.say();
            partner.wait(number)?;
            whole.push(number);
        }
    }
    let arrived = partner.arrived();
    ensure(!arrived.contains(&None), || format!("{dialect}: something arrived that was never said"))?;
    let rising = arrived.windows(2).all(|pair| pair[0] <= pair[1]);
    ensure(rising, || format!("{dialect}: not in order: {arrived:?}"))?;
    let missing = whole.iter().find(|&&number| !arrived.contains(&Some(number)));
    ensure(missing.is_none(), || format!("{dialect}: {missing:?} did not arrive"))?;
    Ok((dialect, cuts))
}

/// Row 10.
pub(super) fn byte_by_byte(setting: &Setting) -> Result<String, Miss> {
    let updates = setting.form(200, 20);
    let mut told = vec![format!("native {updates} updates")];
    let (whole, trickled) = (watched(Manner::Whole, updates)?, watched(Manner::Trickle, updates)?);
    ensure(whole == trickled, || {
        let differing = whole.iter().zip(&trickled).find(|(whole, trickled)| whole != trickled);
        format!("native: {} events or {}, {differing:?}", whole.len(), trickled.len())
    })?;
    let (whole, trickled) = (exchanged(Manner::Whole, updates)?, exchanged(Manner::Trickle, updates)?);
    ensure(whole == trickled, || format!("whole {whole:?}, byte by byte {trickled:?}"))?;
    told.extend(whole.into_keys().map(|dialect| format!("{dialect} {updates} exchanges")));
    Ok(format!("{}: the same events as whole", told.join(", ")))
}

/// What a watcher sees of a writer, both through proxies.
fn watched(manner: Manner, updates: u64) -> Result<Vec<String>, Miss> {
    let logger = Logger::start();
    let proxy = Proxy::start(&logger.address, manner);
    let watcher =
        Client::builder().name("watcher").connect(&*proxy.address).map_err(|error| error.to_string())?;
    let options = WatchOptions { mode: Mode::Every, ..WatchOptions::default() };
    let watch = watcher.watch(Pattern::all(), options).map_err(|error| error.to_string())?;
    watch.wait_current(PATIENCE).map_err(|error| error.to_string())?;
    let journal = exchanges::native(&proxy, "psu", updates)?;
    let mut seen = Vec::new();
    wait_until("the watcher has seen the end", || {
        while let Ok(Some(event)) = watch.next(Duration::ZERO) {
            match event {
                WatchEvent::Source(source) => seen.push(format!("online {}", source.online)),
                WatchEvent::Update(update) => {
                    seen.push(format!("{} {:?} {:?}", update.sequence, update.removed, update.set));
                }
                other => seen.push(format!("{other:?}")),
            }
        }
        seen.last().is_some_and(|last| last == "online false")
    })?;
    logger.settle(&[journal])?;
    Ok(seen)
}

/// What arrives of exchanges in the older dialects.
fn exchanged(manner: Manner, updates: u64) -> Result<BTreeMap<&'static str, Vec<Option<u64>>>, Miss> {
    let (logger, mut partners) = exchanges::older(manner)?;
    let mut all = BTreeMap::new();
    for partner in &mut partners {
        for _ in 0..updates {
            let number = partner.say();
            partner.wait(number)?;
        }
        let arrived = partner.arrived();
        let said: Vec<_> = arrived.iter().copied().filter(|number| *number != Some(0)).collect();
        all.insert(partner.dialect().name(), said);
    }
    logger.settle(&[])?;
    Ok(all)
}
