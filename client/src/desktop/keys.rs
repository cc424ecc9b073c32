//! Which key asks for what.

use bevy::prelude::*;
use spinor_sim::ToolKind;
use spinor_volume::TissueClass;

use crate::hud::Typing;
use crate::menu::{Menu, Page};
use crate::rack::Rack;
use crate::room::{Mode, Room};
use crate::wish::{Target, Wish};

/// The keys that take a tool: with Shift those beyond the ninth.
const DIGITS: [KeyCode; 9] = [
    KeyCode::Digit1,
    KeyCode::Digit2,
    KeyCode::Digit3,
    KeyCode::Digit4,
    KeyCode::Digit5,
    KeyCode::Digit6,
    KeyCode::Digit7,
    KeyCode::Digit8,
    KeyCode::Digit9,
];

/// What a key asks for where nothing else takes it.
fn wish(key: KeyCode, shift: bool, mode: Mode, menu: bool, rack: &Rack) -> Option<Wish> {
    use KeyCode as K;
    if menu {
        match key {
            K::ArrowUp => return Some(Wish::MenuMove(-1)),
            K::ArrowDown => return Some(Wish::MenuMove(1)),
            K::ArrowLeft => return Some(Wish::MenuPage(-1)),
            K::ArrowRight => return Some(Wish::MenuPage(1)),
            K::Enter | K::NumpadEnter => return Some(Wish::MenuPick),
            _ => {}
        }
    }
    if let Some(wish) = anywhere(key, shift, mode) {
        return Some(wish);
    }
    if mode == Mode::Film { film(key, shift) } else { room(key, shift, rack) }
}

/// Keys that ask for the same wherever the picture comes from.
fn anywhere(key: KeyCode, shift: bool, mode: Mode) -> Option<Wish> {
    use KeyCode as K;
    let first = if mode == Mode::Film { Page::Film } else { Page::Tools };
    Some(match key {
        K::F1 | K::KeyH => Wish::Help,
        K::Escape => Wish::Close,
        K::Tab => Wish::Menu(first),
        K::KeyO => Wish::Menu(Page::Structures),
        K::KeyV if shift => Wish::FreeView,
        K::KeyV => Wish::NextView,
        K::KeyB if shift => Wish::ResetLooks,
        K::KeyB => Wish::NextLook(Target::Class(TissueClass::Bone)),
        K::KeyC => Wish::Slices,
        K::KeyW => Wish::NextWindow,
        K::KeyI => Wish::OtherImage,
        K::Comma if shift => Wish::Width(-1),
        K::Comma => Wish::Level(1),
        K::Period if shift => Wish::Width(1),
        K::Period => Wish::Level(-1),
        K::F12 => Wish::Picture,
        _ => return None,
    })
}

/// Keys in a room or alone.
fn room(key: KeyCode, shift: bool, rack: &Rack) -> Option<Wish> {
    use KeyCode as K;
    let hand = rack.active;
    if let Some(n) = DIGITS.iter().position(|digit| *digit == key) {
        let kind = ToolKind::ALL.get(if shift { n + DIGITS.len() } else { n })?;
        return Some(Wish::Take(hand, *kind));
    }
    Some(match key {
        K::Digit0 => Wish::PutAway(hand),
        K::Minus | K::NumpadSubtract => Wish::Resize(hand, -1),
        K::Equal | K::NumpadAdd => Wish::Resize(hand, 1),
        K::KeyX => Wish::OtherHand,
        K::KeyT => Wish::Pedal,
        K::KeyG => Wish::Menu(Page::Room),
        K::KeyK => Wish::Menu(Page::Alarm),
        K::KeyL => Wish::Menu(Page::Procedure),
        K::KeyU => Wish::Menu(Page::Measures),
        K::KeyJ => Wish::Guidance,
        K::Space => Wish::Freeze,
        K::KeyP => Wish::Pause,
        K::Delete | K::Backspace => Wish::ClearMarks,
        _ => return None,
    })
}

/// Keys in a recording.
fn film(key: KeyCode, shift: bool) -> Option<Wish> {
    use KeyCode as K;
    let skip = if shift { 1.0 } else { 10.0 };
    Some(match key {
        K::Space => Wish::Play,
        K::ArrowLeft => Wish::Skip(-skip),
        K::ArrowRight => Wish::Skip(skip),
        K::BracketLeft => Wish::Speed(-1),
        K::BracketRight => Wish::Speed(1),
        K::PageUp => Wish::Moment(false),
        K::PageDown => Wish::Moment(true),
        K::Home => Wish::Ends(false),
        K::End => Wish::Ends(true),
        _ => return None,
    })
}

/// Turns what was pressed into wishes.
pub(super) fn keys(
    keys: Res<ButtonInput<KeyCode>>,
    room: Res<Room>,
    menu: Res<Menu>,
    rack: Res<Rack>,
    typing: Res<Typing>,
    mut wishes: MessageWriter<Wish>,
) {
    if typing.0.is_some() || typing.is_changed() {
        return;
    }
    let shift = keys.any_pressed([KeyCode::ShiftLeft, KeyCode::ShiftRight]);
    for key in keys.get_just_pressed() {
        if let Some(wish) = wish(*key, shift, room.mode, menu.open, &rack) {
            wishes.write(wish);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::menu::rows::tool_key;
    use spinor_sim::Hand;

    /// Every tool has a key, and it is the one that the rack names.
    #[test]
    fn every_tool_has_its_key() {
        let rack = Rack::default();
        for kind in ToolKind::ALL {
            let name = tool_key(kind);
            let (shift, digit) = name.strip_prefix("Shift+").map_or((false, name), |digit| (true, digit));
            let key = DIGITS[digit.parse::<usize>().unwrap() - 1];
            assert_eq!(wish(key, shift, Mode::Shared, false, &rack), Some(Wish::Take(Hand::Right, kind)));
        }
    }

    /// Arrows move in an open menu and seek in a recording; the pedals of a room do nothing in a recording but play it.
    #[test]
    fn keys_mean_what_the_moment_says() {
        let rack = Rack::default();
        let at = |key, mode, menu| wish(key, false, mode, menu, &rack);
        assert_eq!(at(KeyCode::ArrowLeft, Mode::Film, false), Some(Wish::Skip(-10.0)));
        assert_eq!(at(KeyCode::ArrowLeft, Mode::Film, true), Some(Wish::MenuPage(-1)));
        assert_eq!(at(KeyCode::ArrowLeft, Mode::Shared, false), None);
        assert_eq!(at(KeyCode::Space, Mode::Film, false), Some(Wish::Play));
        assert_eq!(at(KeyCode::Space, Mode::Shared, false), Some(Wish::Freeze));
        assert_eq!(at(KeyCode::Digit1, Mode::Film, false), None);
    }
}
