//! The menu: everything that can be asked for, page by page, on a screen and on the headset's panel alike.
//!
//! Keys, mouse and thumbstick move in it. What role or moment do not allow stays visible, grey, with the reason.

mod draw;
pub(crate) mod rows;

use bevy::prelude::*;

use crate::Allow;
use crate::guide::Guide;
use crate::hud::Help;
use crate::rack::Rack;
use crate::room::{Mode, Room};
use crate::scene::anatomy::Anatomy;
use crate::scene::looks::Looks;
use crate::slices::Slices;
use crate::wish::{Granted, Wish};
pub(crate) use rows::Row;
use rows::{About, Part, rows};

/// A page of the menu.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Page {
    /// The tool rack.
    #[default]
    Tools,
    /// Freeze, pause, people and their right to operate.
    Room,
    /// The procedure that the room follows.
    Procedure,
    /// Canal, facets, pars and foramina.
    Measures,
    /// The alarm's thresholds.
    Alarm,
    /// What is shown of the patient.
    Structures,
    /// View, slices, picture.
    Picture,
    /// What the case says about itself.
    Case,
    /// Playing a recording.
    Film,
}

impl Page {
    /// Its title.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Room => "room",
            Self::Procedure => "procedure",
            Self::Measures => "measures",
            Self::Alarm => "alarm",
            Self::Structures => "structures",
            Self::Picture => "picture",
            Self::Case => "case",
            Self::Film => "play",
        }
    }

    /// The pages there are, in order.
    pub(crate) const fn all(mode: Mode) -> &'static [Self] {
        match mode {
            Mode::Film => &[Self::Film, Self::Structures, Self::Picture, Self::Case],
            _ => &[
                Self::Tools,
                Self::Room,
                Self::Procedure,
                Self::Measures,
                Self::Alarm,
                Self::Structures,
                Self::Picture,
                Self::Case,
            ],
        }
    }

    /// The page `steps` further.
    fn further(self, steps: i8, mode: Mode) -> Self {
        let pages = Self::all(mode);
        let at = pages.iter().position(|page| *page == self).unwrap_or(0);
        let to = (at as i32 + i32::from(steps)).rem_euclid(pages.len() as i32);
        pages.get(to as usize).copied().unwrap_or_default()
    }
}

/// The menu.
#[derive(Resource, Default)]
pub(crate) struct Menu {
    /// Whether it is open.
    pub(crate) open: bool,
    page: Page,
    row: usize,
    rows: Vec<Row>,
    /// Whether the pointer is over it: a click then is no trigger.
    pub(crate) hovered: bool,
}

impl Menu {
    /// Moves to a row that can be picked, from where it is in a direction; stays where there is none.
    fn step(&mut self, steps: i8) {
        let count = self.rows.len();
        let mut at = self.row as i32;
        for _ in 0..count {
            at = (at + i32::from(steps)).rem_euclid(count as i32);
            if self.rows.get(at as usize).is_some_and(|row| row.wish.is_some()) {
                self.row = at as usize;
                return;
            }
        }
    }

    fn show(&mut self, page: Page) {
        (self.page, self.row) = (page, 0);
    }
}

/// Shows the menu and does what it says.
pub(crate) struct MenuPlugin;

impl Plugin for MenuPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Menu>().add_systems(Update, (serve, fill).chain().in_set(Allow));
        draw::add(app);
    }
}

fn serve(
    mut granted: MessageReader<Granted>,
    mut menu: ResMut<Menu>,
    mut help: ResMut<Help>,
    room: Res<Room>,
    mut wishes: MessageWriter<Wish>,
) {
    for Granted(wish) in granted.read() {
        match wish {
            Wish::Menu(page) => {
                let page = if Page::all(room.mode).contains(page) { *page } else { Page::all(room.mode)[0] };
                menu.open = !menu.open || menu.page != page;
                menu.show(page);
                help.open = false;
            }
            Wish::MenuPage(steps) if menu.open => {
                let page = menu.page.further(*steps, room.mode);
                menu.show(page);
            }
            Wish::MenuMove(steps) if menu.open => menu.step(*steps),
            Wish::MenuPick if menu.open => {
                let picked = menu.rows.get(menu.row).filter(|row| row.refused.is_none());
                if let Some(wish) = picked.and_then(|row| row.wish.clone()) {
                    wishes.write(wish);
                }
            }
            Wish::Help => {
                help.open = !help.open;
                menu.open = false;
            }
            Wish::Close => (menu.open, help.open) = (false, false),
            _ => {}
        }
    }
}

/// What stands on the page now.
fn fill(
    mut menu: ResMut<Menu>,
    room: Res<Room>,
    rack: Res<Rack>,
    looks: Res<Looks>,
    slices: Res<Slices>,
    guide: Res<Guide>,
    anatomy: Option<Res<Anatomy>>,
) {
    if !menu.open {
        return;
    }
    let structures = anatomy.as_ref().map(|anatomy| anatomy.patient.structures()).unwrap_or_default();
    let parts: Vec<Part> = structures.iter().map(|s| Part { label: s.label, class: s.class, source: s.source }).collect();
    let about = About {
        room: &room,
        rack: &rack,
        looks: &looks,
        slices: &slices,
        guide: &guide,
        parts: &parts,
        has_mr: anatomy.as_ref().is_some_and(|anatomy| anatomy.mr.is_some()),
    };
    let now = rows(menu.page, &about);
    if menu.rows != now {
        menu.rows = now;
        menu.row = menu.row.min(menu.rows.len().saturating_sub(1));
        if menu.rows.get(menu.row).is_some_and(|row| row.wish.is_none()) {
            menu.step(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages go round, and a recording has no rack.
    #[test]
    fn pages_go_round() {
        let mut page = Page::Tools;
        for _ in Page::all(Mode::Shared) {
            page = page.further(1, Mode::Shared);
        }
        assert_eq!(page, Page::Tools);
        assert_eq!(Page::Film.further(-1, Mode::Film), Page::Case);
        assert!(!Page::all(Mode::Film).contains(&Page::Tools));
    }

    /// Moving goes from one row that can be picked to the next, over those that only say something.
    #[test]
    fn rows_that_only_say_something_are_passed_over() {
        let row = |wish| Row { wish, ..Row::default() };
        let rows = vec![row(None), row(Some(Wish::Help)), row(None), row(Some(Wish::Slices))];
        let mut menu = Menu { rows, ..Menu::default() };
        let mut at = Vec::new();
        for _ in 0..3 {
            menu.step(1);
            at.push(menu.row);
        }
        assert_eq!(at, [1, 3, 1]);
        menu.step(-1);
        assert_eq!(menu.row, 3);
        let mut empty = Menu::default();
        empty.step(1);
        assert_eq!(empty.row, 0);
    }
}
