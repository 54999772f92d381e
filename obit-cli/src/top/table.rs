//! Tables with columns as wide as their contents, and with the number of rows that do not fit.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Style, Stylize},
    text::{Line, Span},
};

use super::words::{cut, cut_end, width};

/// One text in a table.
#[derive(Clone)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) style: Style,
}

/// A column of a table.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Whether the column is aligned to the right, as for figures.
    pub(super) right: bool,
    /// Whether long texts are cut at their end. Names are cut in their middle.
    prose: bool,
}

/// One part of the screen: a title and a table.
pub(super) struct Section {
    pub(super) title: String,
    pub(super) columns: Vec<Column>,
    /// Number of columns that are always shown. If the screen is too narrow, the others are left
    /// out, the last first, before a text is cut.
    pub(super) needed: usize,
    pub(super) rows: Vec<Vec<Cell>>,
    /// The text if there is no row.
    pub(super) none: &'static str,
}

/// Number of spaces between two columns.
const GAP: usize = 2;
/// Minimum number of lines of a section with a line for the names of its columns.
const WITH_HEAD: u16 = 4;

pub(super) fn left(name: &'static str) -> Column {
    Column { name, right: false, prose: false }
}

pub(super) fn right(name: &'static str) -> Column {
    Column { name, right: true, prose: false }
}

pub(super) fn prose(name: &'static str) -> Column {
    Column { name, right: false, prose: true }
}

pub(super) fn cell(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), style: Style::new() }
}

impl Cell {
    pub(super) fn style(self, style: Style) -> Self {
        Cell { style, ..self }
    }
}

impl Section {
    /// Number of lines that show the whole section.
    pub(super) fn height(&self) -> u16 {
        u16::try_from(self.rows.len().max(1)).unwrap_or(u16::MAX).saturating_add(2)
    }

    /// Draws the section from the row `first` on. The keys scroll in the `chosen` section.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, first: usize, chosen: bool) {
        let head = u16::from(area.height >= WITH_HEAD && !self.rows.is_empty());
        let lines = [Constraint::Length(1), Constraint::Length(head), Constraint::Fill(1)];
        let [title, names, body] = Layout::vertical(lines).areas(area);
        let room = usize::from(body.height);
        let first = first.min(self.rows.len().saturating_sub(room));
        let shown = &self.rows[first..self.rows.len().min(first + room)];
        frame.render_widget(self.title(usize::from(area.width), first, shown.len(), chosen), title);
        if self.rows.is_empty() {
            frame.render_widget(Line::from(self.none.dark_gray()), body);
            return;
        }
        let widths = self.widths(shown, usize::from(area.width));
        let name = |column: &Column| cell(column.name).style(Style::new().dark_gray());
        if head > 0 {
            let heads: Vec<_> = self.columns.iter().map(name).collect();
            frame.render_widget(self.line(&heads, &widths), names);
        }
        for (row, area) in shown.iter().zip(body.rows()) {
            frame.render_widget(self.line(row, &widths), area);
        }
    }

    /// The title on a rule, with the numbers of rows above and below.
    fn title(&self, width_in_all: usize, first: usize, shown: usize, chosen: bool) -> Line<'static> {
        let below = self.rows.len() - first - shown;
        let more = match (first, below) {
            (0, 0) => String::new(),
            (0, below) => format!(" {below} more ↓ "),
            (above, 0) => format!(" {above} more ↑ "),
            (above, below) => format!(" {above} ↑ {below} more ↓ "),
        };
        let title = format!(" {} ", cut(&self.title, width_in_all.saturating_sub(4 + width(&more))));
        let rule = width_in_all.saturating_sub(3 + width(&title) + width(&more));
        let style = if chosen { Style::new().cyan() } else { Style::new().dark_gray() };
        Line::from(vec![
            Span::styled("──", style),
            if chosen { title.bold().cyan() } else { title.bold() },
            Span::styled("─".repeat(rule), style),
            Span::styled(more, style),
            Span::styled("─", style),
        ])
    }

    /// The widths of the visible columns, as wide as their contents. If the area is too narrow,
    /// columns that are not needed are left out, and then the widest columns of text are narrowed.
    fn widths(&self, shown: &[Vec<Cell>], room: usize) -> Vec<usize> {
        let widest = |(at, column): (usize, &Column)| {
            let cells = shown.iter().filter_map(|row| row.get(at));
            cells.map(|cell| width(&cell.text)).max().unwrap_or_default().max(width(column.name))
        };
        let mut widths: Vec<_> = self.columns.iter().enumerate().map(widest).collect();
        let total = |widths: &[usize]| {
            let gaps = GAP * widths.iter().filter(|width| **width > 0).count().saturating_sub(1);
            widths.iter().sum::<usize>() + gaps
        };
        while widths.len() > self.needed && total(&widths) > room {
            widths.pop();
        }
        for _ in room..total(&widths) {
            let texts = widths.iter_mut().zip(&self.columns).filter(|(_, column)| !column.right);
            let Some((widest, _)) = texts.max_by_key(|(width, _)| **width).filter(|(width, _)| **width > 1)
            else {
                break;
            };
            *widest -= 1;
        }
        widths
    }

    fn line(&self, cells: &[Cell], widths: &[usize]) -> Line<'static> {
        let mut spans = Vec::new();
        for ((cell, column), room) in
            cells.iter().zip(&self.columns).zip(widths).filter(|(_, room)| **room > 0)
        {
            if !spans.is_empty() {
                spans.push(Span::from(" ".repeat(GAP)));
            }
            let text = if column.prose { cut_end(&cell.text, *room) } else { cut(&cell.text, *room) };
            let blank = Span::from(" ".repeat(room.saturating_sub(width(&text))));
            let text = Span::styled(text, cell.style);
            spans.extend(if column.right { [blank, text] } else { [text, blank] });
        }
        Line::from(spans)
    }
}
