//! What can be wrong with bytes of a dialect, and the verdicts on poisonous values.
//!
//! A text may be JSON that any Python program reads, and yet hold what nobody else could be given. Each such thing has
//! one verdict, here, where it comes in:
//!
//! | in the JSON | verdict |
//! |---|---|
//! | a doubled key | the last value stands, at the place of the first, as in Python |
//! | NaN, Infinity, -Infinity, an empty key, NUL or a newline in a text | taken: they are values like any other |
//! | half of a surrogate pair | refused, by itself |
//! | an integer of more than 4,300 digits | refused, by itself |
//! | a float beyond the range of 64 bits | refused, by itself |
//! | bytes that are not UTF-8, nesting past the limit, anything that is no JSON | malformed |
//!
//! What is refused by itself leaves the connection as it is. What is malformed ends it, except in pytcp, whose frames
//! say where the next one begins.

use crate::encoding::json::{self, JsonError};
use crate::frame::FrameError;
use crate::value::{Dictionary, Kind, Value};

/// What is wrong with what a peer sent. Offsets count bytes of the stream from its beginning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A length past the limit. Nothing was reserved for it.
    #[error("at byte {offset}: a length of {length} bytes, at most {limit} are taken (limit body)")]
    TooLong {
        /// Where the message or frame begins.
        offset: u64,
        /// What it claims.
        length: u64,
        /// The limit.
        limit: u32,
    },
    /// A text that is not UTF-8.
    #[error("at byte {offset}: text that is not UTF-8")]
    NotUtf8 {
        /// Where the first wrong byte stands.
        offset: u64,
    },
    /// JSON that cannot be taken; see [`Fault::is_poison`].
    #[error("in the JSON that begins at byte {offset}: {error}")]
    Json {
        /// Where the JSON begins.
        offset: u64,
        /// What is wrong with it.
        error: JsonError,
    },
    /// JSON that is no dictionary, where only one may stand.
    #[error("at byte {offset}: {found} where a dictionary was to come")]
    NotDictionary {
        /// Where the JSON begins.
        offset: u64,
        /// What it is.
        found: Kind,
    },
    /// The stream ended within a frame or message.
    #[error("at byte {offset}: the input ends {missing} bytes too early")]
    CutShort {
        /// Where it ended.
        offset: u64,
        /// How many bytes were still to come, at the least.
        missing: u64,
    },
    /// pytcp: a byte outside of any frame.
    #[error("at byte {offset}: {found:#04x} where a frame was to begin")]
    NotStart {
        /// Where it stands.
        offset: u64,
        /// The byte.
        found: u8,
    },
    /// pytcp: a control character within a frame's JSON, where none can stand.
    #[error("at byte {offset}: control character {found:#04x} within JSON")]
    ControlCharacter {
        /// Where it stands.
        offset: u64,
        /// The byte.
        found: u8,
    },
    /// pytcp: a checksum that is not that of the bytes.
    #[error("at byte {offset}: a frame's checksum is {found:#010x}, its bytes give {computed:#010x}")]
    Checksum {
        /// Where the frame begins.
        offset: u64,
        /// What the frame says.
        found: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// pytcp: another byte where the stop byte was to come.
    #[error("at byte {offset}: a frame ends with {found:#04x}")]
    NotStop {
        /// Where it stands.
        offset: u64,
        /// The byte.
        found: u8,
    },
    /// Bytes from an end that has nothing to say in its dialect.
    #[error("at byte {offset}: a client of this dialect sends nothing")]
    Unasked {
        /// Where they begin.
        offset: u64,
    },
    /// comet: a header without one of its four fields.
    #[error("at byte {offset}: a header without {field:?}")]
    MissingField {
        /// Where the header's JSON begins.
        offset: u64,
        /// The field.
        field: &'static str,
    },
    /// comet: a field of a header that is not what it has to be.
    #[error("at byte {offset}: a header whose {field:?} is not {expected}")]
    WrongField {
        /// Where the header's JSON begins.
        offset: u64,
        /// The field.
        field: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// comet: an answer without its `result`.
    #[error("at byte {offset}: an answer without \"result\"")]
    NoResult {
        /// Where the answer's JSON begins.
        offset: u64,
    },
    /// pingpong: a server answered something else than `pong`.
    #[error("at byte {offset}: {found:#04x} where an answer \"pong\" was to come or to go on")]
    NotPong {
        /// Where it stands.
        offset: u64,
        /// The byte.
        found: u8,
    },
    /// native: bytes that are no frame.
    #[error("at byte {offset}: {error}")]
    Frame {
        /// Where the frame begins.
        offset: u64,
        /// What is wrong with it.
        error: FrameError,
    },
}

impl Fault {
    /// Whether the bytes were well formed and only hold what could not be passed on unaltered.
    pub const fn is_poison(&self) -> bool {
        use JsonError::{FloatTooLarge, IntegerTooLong, LoneSurrogate};
        let Self::Json { error, .. } = self else { return false };
        matches!(error, LoneSurrogate { .. } | IntegerTooLong { .. } | FloatTooLarge { .. })
    }
}

/// Reads JSON that begins at `offset` of the stream.
pub(super) fn read_json(text: &[u8], offset: u64, depth: usize) -> Result<Value, Fault> {
    json::read(text, depth).map_err(|error| Fault::Json { offset, error })
}

/// Reads JSON that has to be a dictionary.
pub(super) fn read_dictionary(text: &[u8], offset: u64, depth: usize) -> Result<Dictionary, Fault> {
    match read_json(text, offset, depth)? {
        Value::Dictionary(dictionary) => Ok(dictionary),
        other => Err(Fault::NotDictionary { offset, found: other.kind() }),
    }
}
