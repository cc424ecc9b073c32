//! The menu as nodes: a fixed number of rows that are filled anew, so that a page of any length scrolls.

use bevy::prelude::*;
use bevy::text::FontSize;

use super::{Menu, Page, Row};
use crate::hud::layout::{Places, lay_out};
use crate::room::Room;
use crate::wish::Wish;
use crate::{Draw, Steer};

/// Rows on show at once.
const SHOWN: usize = 19;

const BRIGHT: Color = Color::srgb(0.95, 0.97, 0.97);
const GREY: Color = Color::srgb(0.48, 0.54, 0.56);
const ON: Color = Color::srgb(0.45, 0.90, 0.78);
const CHOSEN: Color = Color::srgba(0.16, 0.40, 0.46, 0.95);

/// The box around the menu.
#[derive(Component)]
struct Frame;

/// The line with the pages.
#[derive(Component)]
struct Title;

/// A row by its place on show, and its three texts.
#[derive(Component)]
struct Place(usize);

/// Which text of a row.
#[derive(Component, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Words,
    Value,
    Key,
}

pub(super) fn add(app: &mut App) {
    app.add_systems(PostStartup, build.after(lay_out))
        .add_systems(Update, point.before(Steer).run_if(resource_exists::<Places>))
        .add_systems(Update, (frame, fill).in_set(Draw));
}

fn build(mut commands: Commands, places: Option<Res<Places>>) {
    let Some(places) = places else { return };
    let text = |px: f32, colour| (Text::default(), TextFont { font_size: FontSize::Px(px), ..default() }, TextColor(colour));
    let frame = commands
        .spawn((
            Frame,
            Node {
                flex_direction: FlexDirection::Column,
                padding: UiRect::axes(Val::Px(10.0), Val::Px(8.0)),
                border_radius: BorderRadius::all(Val::Px(7.0)),
                width: Val::Px(410.0),
                max_width: Val::Percent(100.0),
                display: Display::None,
                ..default()
            },
            BackgroundColor(Color::srgba(0.015, 0.03, 0.04, 0.86)),
            ChildOf(places.left),
        ))
        .id();
    let margin = UiRect::bottom(Val::Px(5.0));
    commands.spawn((text(13.0, ON), Title, Node { margin, ..default() }, ChildOf(frame)));
    for n in 0..SHOWN {
        let row = commands
            .spawn((
                Place(n),
                Button,
                Node {
                    padding: UiRect::axes(Val::Px(6.0), Val::Px(2.0)),
                    border_radius: BorderRadius::all(Val::Px(4.0)),
                    column_gap: Val::Px(10.0),
                    justify_content: JustifyContent::SpaceBetween,
                    ..default()
                },
                BackgroundColor(Color::NONE),
                ChildOf(frame),
            ))
            .id();
        let grow = Node { flex_grow: 1.0, min_width: Val::Px(0.0), ..default() };
        commands.spawn((text(14.0, BRIGHT), Cell::Words, grow, ChildOf(row)));
        commands.spawn((text(14.0, BRIGHT), Cell::Value, Node { flex_shrink: 0.0, ..default() }, ChildOf(row)));
        commands.spawn((text(12.0, GREY), Cell::Key, Node { flex_shrink: 0.0, ..default() }, ChildOf(row)));
    }
}

/// The first row on show, so that the chosen one is in the middle as far as the ends allow.
fn first_shown(row: usize, count: usize) -> usize {
    row.saturating_sub(SHOWN / 2).min(count.saturating_sub(SHOWN))
}

/// Mouse over and on rows.
fn point(mut menu: ResMut<Menu>, rows: Query<(&Place, Ref<Interaction>)>, mut wishes: MessageWriter<Wish>) {
    let mut hovered = false;
    for (place, interaction) in &rows {
        if !menu.open || *interaction == Interaction::None {
            continue;
        }
        hovered = true;
        if interaction.is_changed() {
            let row = first_shown(menu.row, menu.rows.len()) + place.0;
            let Some(asks) = menu.rows.get(row).map(|row| row.wish.is_some()) else { continue };
            if *interaction == Interaction::Pressed && asks {
                menu.row = row;
                wishes.write(Wish::MenuPick);
            }
        }
    }
    if menu.hovered != hovered {
        menu.hovered = hovered;
    }
}

/// Titles of the pages, the open one marked.
fn title_line(open: Page, pages: &[Page]) -> String {
    let titles: Vec<String> =
        pages.iter().map(|page| if *page == open { format!("[{}]", page.title()) } else { page.title().to_owned() }).collect();
    titles.join("  ")
}

fn frame(menu: Res<Menu>, room: Res<Room>, mut frames: Query<&mut Node, With<Frame>>, mut titles: Query<&mut Text, With<Title>>) {
    for mut node in &mut frames {
        let display = if menu.open { Display::Flex } else { Display::None };
        if node.display != display {
            node.display = display;
        }
    }
    let now = title_line(menu.page, Page::all(room.mode));
    for mut text in &mut titles {
        if text.0 != now {
            text.0.clone_from(&now);
        }
    }
}

/// What a cell says: the reason stands in the value's place where the row is refused.
fn cell_text(row: &Row, cell: Cell) -> String {
    match (cell, &row.refused) {
        (Cell::Words, Some(reason)) => format!("{}  ({reason})", row.words),
        (Cell::Words, None) => row.words.clone(),
        (Cell::Value, Some(_)) => String::new(),
        (Cell::Value, None) => row.value.clone(),
        (Cell::Key, _) => row.key.to_owned(),
    }
}

fn fill(
    menu: Res<Menu>,
    mut rows: Query<(&Place, &mut Node, &mut BackgroundColor, &Children)>,
    mut cells: Query<(&Cell, &mut Text, &mut TextColor)>,
) {
    if !menu.open {
        return;
    }
    let first = first_shown(menu.row, menu.rows.len());
    for (place, mut node, mut background, children) in &mut rows {
        let row = menu.rows.get(first + place.0);
        let display = if row.is_some() { Display::Flex } else { Display::None };
        if node.display != display {
            node.display = display;
        }
        let Some(row) = row else { continue };
        let chosen = menu.row == first + place.0 && row.wish.is_some();
        background.set_if_neq(BackgroundColor(if chosen { CHOSEN } else { Color::NONE }));
        for child in children.iter() {
            let Ok((cell, mut text, mut colour)) = cells.get_mut(child) else { continue };
            let now = cell_text(row, *cell);
            if text.0 != now {
                text.0 = now;
            }
            let shade = match (*cell, row.refused.is_some(), row.on) {
                (Cell::Key, ..) | (_, true, _) => GREY,
                (_, _, true) => ON,
                _ => BRIGHT,
            };
            colour.set_if_neq(TextColor(shade));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A long page scrolls so that the chosen row is always on show, and a short one does not move.
    #[test]
    fn the_chosen_row_is_on_show() {
        for count in [1, SHOWN, SHOWN + 1, 60] {
            for row in 0..count {
                let first = first_shown(row, count);
                assert!((first..first + SHOWN).contains(&row), "{row} of {count}");
                assert!(count <= SHOWN || first + SHOWN <= count);
            }
        }
    }

    #[test]
    fn a_refused_row_says_why() {
        let row = Row { words: "freeze".into(), value: "off".into(), refused: Some("no".into()), ..Row::default() };
        assert_eq!((cell_text(&row, Cell::Words), cell_text(&row, Cell::Value)), ("freeze  (no)".into(), String::new()));
        assert_eq!(title_line(Page::Film, Page::all(crate::room::Mode::Film)), "[play]  structures  picture  case");
    }
}
