//! How often what a run is for has happened: a simulation in which nothing goes wrong shows nothing.

use std::fmt;
use std::ops::AddAssign;

macro_rules! coverage {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts of one run, or of many.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Coverage { $($(#[$doc])* pub $name: u64,)* }

        impl Coverage {
            /// Each count with its name.
            pub fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }

        impl AddAssign<&Self> for Coverage {
            fn add_assign(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

coverage! {
    /// Updates published.
    updates,
    /// Publications that changed nothing and got no sequence.
    unchanged,
    /// Publications that had to wait for room.
    blocked,
    /// Epochs ended in order.
    ends,
    /// Epochs begun after a loss.
    losses,
    /// Acknowledgements that reached a writer.
    acknowledgements,
    /// Resumes that a hub sent a writer.
    resumes,
    /// Updates that a hub was sent again.
    replayed,
    /// States that a writer sent in place of updates it no longer had.
    states_for_missing,
    /// States that brought a hub's dictionary to a writer's newest.
    states_for_live,
    /// Rows that a logger stored.
    rows,
    /// Updates and States that a logger had already.
    repetitions,
    /// Gaps within an epoch.
    gaps,
    /// Gaps because a spool was full.
    gaps_spool_full,
    /// Gaps because a writer's level keeps nothing.
    gaps_not_kept,
    /// Gaps because what was wanted was acknowledged before the logger came.
    gaps_before_logger,
    /// Gaps because an epoch began after a loss.
    gaps_link_lost,
    /// Gaps between epochs.
    gaps_between_epochs,
    /// Rows that came after a gap that was taken to cover them.
    late,
    /// Epochs that were announced as the rest of an older one.
    replays,
    /// Writers told that another took their place.
    fences,
    /// Announcements refused because a higher epoch was known.
    refused_lower,
    /// Writers that went above a higher epoch.
    raised,
    /// Announcements refused because another client's writer was live.
    refused_live,
    /// Epochs whose writer gave up what was left of them.
    given_up,
    /// Updates that an `every` watcher was told it missed.
    missed,
    /// `every` watchers that were cut for being slow.
    too_slow,
    /// Updates that a `latest` watcher got merged.
    merged,
    /// Epochs of which every update is in the timeline, as had to be.
    complete,
    /// Messages sent.
    messages,
    /// Messages that reached somebody.
    messages_received,
    /// Requests sent.
    requests,
    /// Requests that were answered.
    answers,
    /// Requests that nobody handled, or that the hub refused.
    unhandled,
    /// Requests whose link died in between.
    outcomes_unknown,
    /// Requests not answered in time.
    late_answers,
    /// Sources refused by a logger since another hub has one of that name.
    names_taken,
    /// Rows that a logger skipped since another hub had the name.
    skipped,
    /// Writers' programs that began again with their spools.
    spools_restored,
    /// Bits that changed on the way.
    flips,
    /// Wall clocks that were set.
    clock_jumps,
    /// Times a recorder asked to read no more.
    pauses,
    /// Links cut with both ends told.
    resets,
    /// Links cut with one end told, or none.
    silent_cuts,
    /// Connections that ended by silence.
    silences,
    /// Hubs restarted.
    hub_restarts,
    /// Writers' programs restarted.
    writer_restarts,
    /// Loggers' machines that lost power.
    power_losses,
    /// Power losses that lost something not synced.
    unsynced_lost,
    /// Transactions that found the disk full.
    disk_full,
}

impl Coverage {
    /// What never happened.
    pub fn missing(&self) -> Vec<&'static str> {
        self.counts().into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts()
            .iter()
            .try_for_each(|(name, count)| writeln!(f, "{count:>10}  {}", name.replace('_', " ")))
    }
}
