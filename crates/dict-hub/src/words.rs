//! What peers say for people: it comes into other peers' presence, the journal and the log of whoever runs the hub.

use dict_protocol::limits::Limits;

/// The words of a peer, as they are passed on: at most [`Limits::REFUSAL`] bytes of them, in one line, with nothing that a
/// terminal would obey.
pub(crate) fn tame(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(Limits::REFUSAL)];
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_and_hold_no_controls() {
        assert_eq!(tame("going home: é"), "going home: é");
        assert_eq!(tame("x\r\n2026 ERROR \u{1b}[31m\u{9b}2J\0"), "x  2026 ERROR  [31m 2J ");
        let long = "é".repeat(40_000);
        assert_eq!(tame(&long), long[..Limits::REFUSAL]);
        assert_eq!(tame(&format!("x{long}")).len(), Limits::REFUSAL - 1, "no half of a character");
    }
}
