//! Words to everybody, typed.

use bevy::input::ButtonState;
use bevy::input::keyboard::{Key, KeyboardInput};
use bevy::prelude::*;
use spinor_shared::mark::MAX_TEXT;

use crate::hud::Typing;
use crate::menu::Menu;
use crate::wish::Wish;

/// What a key does to words that are being typed: go on with them, say them, or drop them.
#[derive(Clone, Debug, PartialEq)]
enum Then {
    GoOn(String),
    Say(String),
    Drop,
}

fn typed(mut words: String, key: &Key, text: Option<&str>) -> Then {
    match key {
        Key::Escape => return Then::Drop,
        Key::Enter if words.trim().is_empty() => return Then::Drop,
        Key::Enter => return Then::Say(words.trim().to_owned()),
        Key::Backspace => {
            words.pop();
        }
        _ => {
            let plain = text.unwrap_or("").chars().filter(|c| !c.is_control());
            for letter in plain {
                if words.len() + letter.len_utf8() <= MAX_TEXT {
                    words.push(letter);
                }
            }
        }
    }
    Then::GoOn(words)
}

/// Enter begins; Enter again says it, Escape does not.
pub(super) fn write(
    mut pressed: MessageReader<KeyboardInput>,
    menu: Res<Menu>,
    mut typing: ResMut<Typing>,
    mut wishes: MessageWriter<Wish>,
) {
    for input in pressed.read().filter(|input| input.state == ButtonState::Pressed) {
        // A change tells the keys that this one was taken.
        match typing.bypass_change_detection().0.take() {
            None if input.logical_key == Key::Enter && !menu.open => typing.0 = Some(String::new()),
            None => {}
            Some(words) => {
                typing.0 = None;
                match typed(words, &input.logical_key, input.text.as_deref()) {
                    Then::GoOn(words) => typing.0 = Some(words),
                    Then::Drop => {}
                    Then::Say(words) => {
                        wishes.write(Wish::Say(words));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_typed_said_or_dropped() {
        let letter = |words: &str, text: &str| typed(words.to_owned(), &Key::Character(text.into()), Some(text));
        assert_eq!(letter("he", "y"), Then::GoOn("hey".to_owned()));
        assert_eq!(letter("he", "\u{1b}"), Then::GoOn("he".to_owned()), "control characters are none");
        assert_eq!(typed("hey ".to_owned(), &Key::Enter, None), Then::Say("hey".to_owned()));
        assert_eq!(typed("  ".to_owned(), &Key::Enter, None), Then::Drop);
        assert_eq!(typed("grü".to_owned(), &Key::Backspace, None), Then::GoOn("gr".to_owned()));
        assert_eq!(typed("hey".to_owned(), &Key::Escape, None), Then::Drop);
        let full = "x".repeat(MAX_TEXT - 1);
        assert_eq!(letter(&full, "ü"), Then::GoOn(full.clone()), "what the server would refuse is not taken");
    }
}
