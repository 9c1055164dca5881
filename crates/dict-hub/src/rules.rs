//! Rules that a simulation has a hub break, to see that it notices. Without the feature `properties` every rule is kept, and
//! asking costs nothing.

use crate::hub::Hub;
#[cfg(feature = "properties")]
use crate::sources::Source;

/// A rule of the hub's.
#[cfg_attr(
    not(feature = "properties"),
    allow(dead_code, unreachable_pub, reason = "some are only ever named to be broken")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `logged` is acknowledged only when every logger has committed.
    LoggersAcknowledge,
    /// A logger counts from Subscribe on, and holds nothing before it has told its position.
    UntoldHoldsNothing,
    /// An epoch below the highest known is refused.
    LowerIsRefused,
    /// A writer whose place was taken is told.
    ReplacedIsTold,
    /// The last epoch that this hub saw is told to be the one before the next, whatever that one's writer knows.
    LastIsPassedOn,
    /// A logger tells of higher epochs than this hub has seen.
    HighestIsLearned,
    /// The acknowledgement as it stands follows Announced.
    AckFollowsAnnounced,
    /// A logger's Resume counts as its Ack.
    ResumeIsAck,
    /// A writer's going offline closes the Resume that it has not answered.
    GoingClosesResume,
    /// The room for a slice is kept free from the time it is asked for.
    RoomIsReserved,
    /// A replay that is acknowledged in full is withdrawn.
    ReplayIsWithdrawn,
}

impl Hub {
    /// Breaks a rule from now on.
    #[cfg(feature = "properties")]
    pub fn break_rule(&mut self, rule: Rule) {
        self.broken = Some(rule);
    }

    /// Whether a rule is kept.
    #[cfg(feature = "properties")]
    pub(crate) fn keeps(&self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    /// Every rule is kept.
    #[cfg(not(feature = "properties"))]
    #[expect(clippy::unused_self, reason = "only a hub that is made to break rules looks")]
    pub(crate) const fn keeps(&self, _: Rule) -> bool {
        true
    }

    /// What a hub that breaks a rule about acknowledging takes to be held of a source by all its loggers.
    #[cfg(feature = "properties")]
    pub(crate) fn misjudged(&self, source: &Source) -> Option<u64> {
        let told = source.followers.iter().filter(|follower| follower.position.is_some());
        match self.broken? {
            Rule::LoggersAcknowledge => Some(source.newest.max(source.acked)),
            Rule::UntoldHoldsNothing => {
                Some(told.map(|follower| follower.committed).min().unwrap_or(0).max(source.acked))
            }
            _ => None,
        }
    }
}
